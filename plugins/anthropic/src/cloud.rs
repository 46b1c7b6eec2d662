//! Where each cloud has its models, how it wants to be asked, and how it says that something went wrong.

use weir_plugin::bedrock::{self, Unwrapped};
use weir_plugin::claude::{Cloud, failure};
use weir_plugin::openai;
use weir_plugin::{
    Auth, Call, Failure, Framing, Operation, ResponseHead, StreamDecoder, UpstreamRequest, path_segment,
};

use crate::settings::{Credential, Settings};

/// The request with the place that it goes to, and how to authenticate there.
///
/// # Errors
/// For an operation that the cloud does not have.
pub fn address(settings: &Settings, call: &Call, request: UpstreamRequest) -> Result<UpstreamRequest, Failure> {
    let path = match (settings.chats.cloud, call.operation) {
        // A thousand is the most that a page of the list can hold.
        (Cloud::Anthropic, Operation::Models) => "/v1/models?limit=1000".to_owned(),
        (Cloud::Anthropic, Operation::CountTokens) => "/v1/messages/count_tokens".to_owned(),
        (Cloud::Anthropic, _) => "/v1/messages".to_owned(),
        (Cloud::Vertex, Operation::Chat | Operation::Messages) if call.stream => {
            vertex(settings, &call.model, "streamRawPredict")
        }
        (Cloud::Vertex, Operation::Chat | Operation::Messages) => vertex(settings, &call.model, "rawPredict"),
        (Cloud::Vertex, Operation::CountTokens) => vertex(settings, "count-tokens", "rawPredict"),
        (Cloud::Bedrock, Operation::Chat | Operation::Messages) => {
            let action = if call.stream { "invoke-with-response-stream" } else { "invoke" };
            format!("/model/{}/{action}", path_segment(&call.model))
        }
        (_, Operation::Models) => {
            let message = "This cloud has no list of Anthropic's models: `models` of the provider has to name them.";
            return Err(Failure::unsupported("model", message));
        }
        (_, _) => {
            let message = "This cloud does not count the tokens of requests to Anthropic's models.";
            return Err(Failure::unsupported("model", message));
        }
    };
    let auth = match (settings.chats.cloud, settings.auth) {
        (Cloud::Anthropic, Credential::XApiKey) => Auth::Header("x-api-key".to_owned()),
        (Cloud::Anthropic, Credential::Bearer) | (Cloud::Vertex, _) => Auth::Bearer,
        (Cloud::Bedrock, _) => Auth::AwsSigv4("bedrock".to_owned()),
    };
    let framing = match settings.chats.cloud {
        Cloud::Anthropic | Cloud::Vertex => Framing::Sse,
        Cloud::Bedrock => Framing::AwsEventStream,
    };
    Ok(UpstreamRequest { path, auth, framing, ..request })
}

/// The path of a method of one of Anthropic's models on Vertex AI.
fn vertex(settings: &Settings, model: &str, method: &str) -> String {
    let place = |name: &Option<String>| path_segment(name.as_deref().unwrap_or_default());
    let (project, location) = (place(&settings.project), place(&settings.location));
    let model = path_segment(model);
    format!("/v1/projects/{project}/locations/{location}/publishers/anthropic/models/{model}:{method}")
}

/// The failure that an answer with an error status tells of. The clouds in front of the models have errors of their
/// own, besides those of Anthropic's that they pass on.
pub fn failure(cloud: Cloud, head: &ResponseHead, body: &str) -> Failure {
    match cloud {
        Cloud::Anthropic => failure::of_status(head, body),
        Cloud::Vertex if failure::is_own(body) => failure::of_status(head, body),
        Cloud::Vertex => openai::failure(head.status, body),
        Cloud::Bedrock => bedrock::of_answer(head, body),
    }
}

/// The decoder of a streamed answer, which comes in frames from Bedrock.
pub fn decoder(cloud: Cloud, decoder: Box<dyn StreamDecoder>) -> Box<dyn StreamDecoder> {
    match cloud {
        Cloud::Anthropic | Cloud::Vertex => decoder,
        Cloud::Bedrock => Box::new(Unwrapped(decoder)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        let settings = Settings { project: Some("p".into()), location: Some("l".into()), ..Settings::default() };
        for (model, expected) in [
            (
                "claude-haiku-4-5@20251001",
                "/v1/projects/p/locations/l/publishers/anthropic/models/claude-haiku-4-5@20251001:do",
            ),
            ("../x?y", "/v1/projects/p/locations/l/publishers/anthropic/models/..%2Fx%3Fy:do"),
        ] {
            assert_eq!(vertex(&settings, model, "do"), expected);
        }
    }
}
