//! A canonical chat request as a request of the Converse API.

mod media;
mod messages;
mod tools;

use weir_plugin::json::Json;
use weir_plugin::openai::{self, ChatRequest, Conversation, JSON_INSTRUCTION, WantedJson};
use weir_plugin::serde_json::{Map, Value, json};
use weir_plugin::{Call, Encoded, Failure, UpstreamRequest};

use self::messages::Writer;
use self::tools::Tools;
use crate::family::{Family, Reasoning};
use crate::invoke;
use crate::settings::Settings;

/// Where `additionalModelRequestFields` stand, which models get as they are.
pub const MODEL_FIELDS: &str = "additionalModelRequestFields";

/// Fields of Converse that a client may give in its own spelling or in that of the OpenAI API.
const OWN_FIELDS: &str = "
    additionalModelResponseFieldPaths additional_model_response_field_paths:additionalModelResponseFieldPaths
    guardrailConfig guardrail_config:guardrailConfig outputConfig
    performanceConfig performance_config:performanceConfig promptVariables prompt_variables:promptVariables
    requestMetadata request_metadata:requestMetadata";

/// What the model gets of that as it is: last, because it counts more than all that is made of other fields.
const OWN_MODEL_FIELDS: &str =
    "additionalModelRequestFields additional_model_request_fields:additionalModelRequestFields";

/// Top-level fields of Anthropic's API, which its models take as they are.
const CLAUDE_FIELDS: &str = "
    anthropic_beta:additionalModelRequestFields.anthropic_beta
    output_config:additionalModelRequestFields.output_config
    thinking:additionalModelRequestFields.thinking";

/// Translates a chat request.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<Encoded, Failure> {
    let mut request: ChatRequest = openai::parse(document)?;
    request.expect_one_text()?;
    let legacy = request.normalize()?;
    let family = Family::of(&call.model);
    let mut writer = Writer { family, ..Writer::default() };
    let Conversation { mut system, turns, calls_without_thinking } = Conversation::of(&request, &mut writer)?;
    if !writer.library.fetch.is_empty() {
        return Ok(Encoded::Fetch(writer.library.fetch));
    }
    let tools = Tools::of(&request, &call.model, family, &writer.calls)?;
    let may_think = !tools.forced && !calls_without_thinking;
    let reasoning = Reasoning::of(&request, &call.model, may_think);
    request.max_completion_tokens = request.token_limit().or(reasoning.token_limit);
    let is_cut = request.temperature.is_some_and(|temperature| settings.temperature.cuts(temperature));
    request.temperature = request.temperature.map(|temperature| settings.temperature.scaled(temperature));
    // Claude refuses to stop at white space.
    let blank = if family == Family::Claude { request.drop_blank_stops() } else { None };
    let (mut rest, mut dropped) = parameters(settings, call, family, reasoning, &request);
    dropped.extend(is_cut.then(|| "temperature".to_owned()));
    dropped.extend(blank.into_iter().chain(tools.dropped.iter().cloned()));
    // Not the client's: an answer in the form of functions has room for one call.
    dropped.retain(|name| !legacy || name != "parallel_tool_calls");
    let by_invoke = invoke::applies(settings, family);
    if by_invoke {
        let (adapted, lacking) = invoke::adapted(rest);
        rest = adapted;
        dropped.extend(lacking);
    }
    if matches!(request.wanted_json(), Some(WantedJson::Object)) {
        messages::text(&mut system, JSON_INSTRUCTION);
    }
    let mut body = Json::with_capacity(document.len() + 512);
    body.open('{').key("messages").open('[').list(&turns.finish()).close(']').within("system", ['[', ']'], &system);
    tools.write(&mut body);
    body.fields(&rest)?.close('}');
    let action = match (by_invoke, call.stream) {
        (false, false) => "converse",
        (false, true) => "converse-stream",
        (true, false) => "invoke",
        (true, true) => "invoke-with-response-stream",
    };
    let sent = crate::request(call, action, body.into_string());
    Ok(Encoded::Send(UpstreamRequest { carry: openai::carry(legacy), dropped, ..sent }))
}

/// The fields of everything in a request that is neither conversation nor tools, and the client's that are left out.
fn parameters(
    settings: &Settings,
    call: &Call,
    family: Family,
    reasoning: Reasoning,
    request: &ChatRequest,
) -> (Map<String, Value>, Vec<String>) {
    let tier = request.service_tier.as_deref().filter(|tier| ["flex", "priority", "reserved"].contains(tier));
    let only = |applies: bool, table| if applies { table } else { "" };
    let (mut rest, dropped) = request.fields(&[
        OWN_FIELDS,
        "max_tokens:inferenceConfig.maxTokens",
        only(!reasoning.fixes_sampling, "temperature:inferenceConfig.temperature top_p:inferenceConfig.topP"),
        "stop:inferenceConfig.stopSequences",
        only(matches!(family, Family::Claude | Family::Unknown), CLAUDE_FIELDS),
        only(!reasoning.fixes_sampling, family.top_k()),
        OWN_MODEL_FIELDS,
        only(tier.is_some(), "service_tier:serviceTier.type"),
        only(reasoning.passed, "reasoning_effort:"),
        only(request.wanted_json().is_some(), "response_format:"),
    ]);
    // What the model gets as it is: the operator's, what reasoning adds, the client's.
    let mut of_model = settings.additional_model_request_fields.clone();
    of_model.extend(reasoning.field.map(|(name, value)| (name.to_owned(), value)));
    let effort = reasoning.effort.map(|effort| ("effort", effort.into()));
    let output = effort.into_iter().chain(text_format(request).map(|format| ("textFormat", format)));
    let output = output.map(|(name, value)| (name.to_owned(), value)).collect();
    for (name, mut object) in [(MODEL_FIELDS, of_model), ("outputConfig", output)] {
        object.extend(given(&mut rest, name));
        insert(&mut rest, name, object);
    }
    // A client may bring its own guardrail, but not take the operator's away.
    let mut guardrail = given(&mut rest, "guardrailConfig");
    guardrail.extend(settings.guardrail_config.clone().into_iter().flatten());
    // Only streams can be told how they are to be watched.
    guardrail.retain(|name, _| call.stream || name != "streamProcessingMode");
    insert(&mut rest, "guardrailConfig", guardrail);
    (rest, dropped)
}

/// The schema that the answer has to fit, which is a string here.
fn text_format(request: &ChatRequest) -> Option<Value> {
    let Some(WantedJson::Schema(schema)) = request.wanted_json() else { return None };
    let format = request.response_format.as_ref()?.json_schema.as_ref()?;
    let mut definition = json!({ "schema": schema.get() });
    for (name, text) in [("name", &format.name), ("description", &format.description)] {
        text.iter().for_each(|text| definition[name] = text.as_str().into());
    }
    Some(json!({ "type": "json_schema", "structure": { "jsonSchema": definition } }))
}

/// Takes an object out, empty if it is not there or something else.
pub fn given(fields: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match fields.shift_remove(name) {
        Some(Value::Object(given)) => given,
        _ => Map::new(),
    }
}

/// Puts an object in, unless it is empty.
pub fn insert(fields: &mut Map<String, Value>, name: &str, object: Map<String, Value>) {
    if !object.is_empty() {
        fields.insert(name.to_owned(), object.into());
    }
}
