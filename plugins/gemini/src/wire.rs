//! The documents that the Gemini API answers with. They leave out whatever they like, and put `null` into lists now and
//! then. What is sent is in [`crate::encode`].

use serde_json::Value;
use serde_json::value::RawValue;
use weir_plugin::Failure;
use weir_plugin::document;
use weir_plugin::openai::{Text, Usage};

document! {
    /// An answer, or one event of a streamed one.
    pub struct Generated<'a> {
        /// The answers, as many as were asked for.
        candidates: Vec<Option<Candidate<'a>>>,
        /// What became of the prompt: whether it was blocked, and why.
        prompt_feedback = "promptFeedback": Value,
        /// What it cost so far. See [`usage`].
        usage_metadata = "usageMetadata": &'a RawValue,
        /// The model that answered.
        model_version = "modelVersion": Text<'a>,
        /// The id of the answer.
        response_id = "responseId": Text<'a>,
        /// What went wrong in the middle of a stream.
        error: &'a RawValue,
    }

    /// One answer.
    pub struct Candidate<'a> {
        /// Its place among those that were asked for.
        index: u32,
        /// What it says.
        content: Said<'a>,
        /// Why it ended.
        finish_reason = "finishReason": &'a RawValue,
        /// Why it ended, in words.
        finish_message = "finishMessage": Text<'a>,
        /// Sources of a search.
        grounding_metadata = "groundingMetadata": &'a RawValue,
        /// Sources of what it recites.
        citation_metadata = "citationMetadata": &'a RawValue,
        /// Token probabilities.
        logprobs_result = "logprobsResult": &'a RawValue,
        /// Declared to be skipped fast.
        safety_ratings = "safetyRatings": &'a RawValue,
    }

    /// What an answer says. Empty when all tokens went into thoughts.
    pub struct Said<'a> {
        /// The pieces.
        parts: Vec<Option<Part<'a>>>,
    }

    /// A piece of an answer.
    pub struct Part<'a> {
        /// Text.
        text: Text<'a>,
        /// Whether it is a thought.
        thought: bool,
        /// Media.
        inline_data = "inlineData": Blob<'a>,
        /// A function that the model calls.
        function_call = "functionCall": FunctionCall<'a>,
        /// What the model needs back with this part to go on thinking.
        thought_signature = "thoughtSignature": Text<'a>,
    }

    /// Media in the document itself.
    pub struct Blob<'a> {
        /// `image/png` and so on.
        mime_type = "mimeType": Text<'a>,
        /// The content in base64.
        data: Text<'a>,
    }

    /// The call of a function.
    pub struct FunctionCall<'a> {
        /// What the result refers to. Older models give none.
        id: Text<'a>,
        /// The function.
        name: Text<'a>,
        /// Its arguments, an object.
        args: &'a RawValue,
    }

    /// Token counts. `candidates` is without thoughts, `prompt` without what tools of Google's own added to it.
    pub struct UsageMetadata<'a> {
        /// Of the prompt, with what came from a cache.
        prompt = "promptTokenCount": u64,
        /// Of the prompt, that came from a cache.
        cached = "cachedContentTokenCount": u64,
        /// What tools of Google's own added to the prompt.
        tool_use = "toolUsePromptTokenCount": u64,
        /// Of the answers.
        candidates = "candidatesTokenCount": u64,
        /// Of the thoughts.
        thoughts = "thoughtsTokenCount": u64,
        /// All together.
        total = "totalTokenCount": u64,
        /// The prompt's tokens by modality. Declared, as its neighbours, to be skipped fast.
        prompt_details = "promptTokensDetails": &'a RawValue,
        /// The answers' tokens by modality.
        candidates_details = "candidatesTokensDetails": &'a RawValue,
        /// The tier that served the request.
        service_tier = "serviceTier": Text<'a>,
    }
}

/// The names of the reasons for the end of an answer, in the order of the numbers that some servers send in their
/// place. Where Vertex AI counts differently, the meaning is the same.
const REASONS: &str = "FINISH_REASON_UNSPECIFIED STOP MAX_TOKENS SAFETY RECITATION OTHER LANGUAGE BLOCKLIST \
                       PROHIBITED_CONTENT SPII";

/// Reads an answer or an event. A stream that was asked for without `alt=sse` is a list of what would have been events.
pub fn read(body: &str) -> Result<Vec<Generated<'_>>, Failure> {
    let body = body.trim_start_matches('\u{feff}').trim_start();
    let read = match body.starts_with('[') {
        true => serde_json::from_str(body),
        false => serde_json::from_str(body).map(|generated| vec![generated]),
    };
    read.map_err(|_| Failure::bad_answer("The provider sent something that is no answer of the Gemini API."))
}

/// The name of the reason for the end of an answer.
pub fn reason(value: &RawValue) -> &str {
    let text = value.get().trim_matches('"');
    text.parse().ok().and_then(|number: usize| REASONS.split(' ').nth(number)).unwrap_or(text)
}

/// The usage in OpenAI's terms, and the tier that served the request, in OpenAI's words. The prompt includes what tools
/// added to it, the completion includes thoughts.
pub fn usage(metadata: &str) -> Option<(Usage, Option<&'static str>)> {
    let counted: UsageMetadata = serde_json::from_str(metadata).ok()?;
    let sum = |counts: [Option<u64>; 2]| counts.into_iter().flatten().fold(0, u64::saturating_add);
    let prompt = sum([counted.prompt, counted.tool_use]);
    let mut usage = Usage::new(prompt, sum([counted.candidates, counted.thoughts]));
    usage.total_tokens = usage.total_tokens.max(counted.total);
    let usage = usage.completed().with_cached(counted.cached).with_reasoning(counted.thoughts);
    let tiers = [("standard", "default"), ("flex", "flex"), ("priority", "priority")];
    let tier = counted.service_tier.unwrap_or_default();
    let tier = tiers.into_iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(&tier)).map(|(_, name)| name);
    Some((usage.with_audio(audio(counted.prompt_details), audio(counted.candidates_details)), tier))
}

/// The tokens of sound among those of all modalities.
fn audio(details: Option<&RawValue>) -> Option<u64> {
    let details = details.filter(|details| details.get().contains("\"AUDIO\""))?;
    let details: Vec<Value> = serde_json::from_str(details.get()).ok()?;
    details.iter().find(|detail| detail["modality"] == "AUDIO")?["tokenCount"].as_u64()
}
