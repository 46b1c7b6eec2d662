//! A canonical chat request as a request of the Converse API.

mod media;
mod messages;
mod tools;

use weir_plugin::openai::{self, ChatRequest, JSON_INSTRUCTION, WantedJson};
use weir_plugin::serde_json::{Map, Value};
use weir_plugin::{Call, Encoded, Failure, UpstreamRequest};

use self::messages::Conversation;
use self::tools::Tools;
use crate::family::{Family, Reasoning};
use crate::settings::Settings;
use crate::wire::{Block, Request};
use crate::{invoke, object};

/// What an answer has to be told of its request: that the client speaks of functions, not tools.
pub const LEGACY: &str = "functions";

/// Where `additionalModelRequestFields` stand, which models get as they are.
pub const MODEL_FIELDS: &str = "additionalModelRequestFields";

/// The client's fields that are `inferenceConfig`, those that reasoning may rule out at the end.
const LIMITS: &str = "max_tokens:maxTokens stop:stopSequences";
const SAMPLING: &str = "temperature top_p:topP";

/// Fields of Converse that a client may give in its own spelling or in that of the OpenAI API.
const OWN_FIELDS: &str = "
    additionalModelRequestFields additional_model_request_fields:additionalModelRequestFields
    additionalModelResponseFieldPaths additional_model_response_field_paths:additionalModelResponseFieldPaths
    guardrailConfig guardrail_config:guardrailConfig outputConfig
    performanceConfig performance_config:performanceConfig promptVariables prompt_variables:promptVariables
    requestMetadata request_metadata:requestMetadata";

/// Top-level fields of Anthropic's API, which its models take as they are.
const CLAUDE_FIELDS: &str = "anthropic_beta output_config thinking";

/// Translates a chat request.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<Encoded, Failure> {
    let mut request: ChatRequest = openai::parse(document)?;
    let legacy = request.adopt_functions();
    request.expect_one_text()?;
    let family = Family::of(&call.model);
    let conversation = Conversation::of(&request, family)?;
    if !conversation.fetch.is_empty() {
        return Ok(Encoded::Fetch(conversation.fetch));
    }
    let tools = Tools::of(&request, &call.model, family, &conversation.calls)?;
    let may_think = !tools.forced && !conversation.calls_without_thinking;
    let parameters = Parameters { settings, call, request: &request, family };
    let (mut rest, mut dropped) = parameters.translate(may_think, legacy);
    dropped.extend(tools.dropped);
    let by_invoke = invoke::applies(settings, family);
    if by_invoke {
        let (adapted, lacking) = invoke::adapted(rest);
        rest = adapted;
        dropped.extend(lacking);
    }
    let mut system = conversation.system;
    if matches!(request.wanted_json(), Some(WantedJson::Object)) {
        system.push(Block::Text(JSON_INSTRUCTION));
    }
    let body = Request { messages: conversation.turns, system, tool_config: tools.config, rest };
    let action = match (by_invoke, call.stream) {
        (false, false) => "converse",
        (false, true) => "converse-stream",
        (true, false) => "invoke",
        (true, true) => "invoke-with-response-stream",
    };
    let carry = legacy.then(|| LEGACY.to_owned());
    Ok(Encoded::Send(UpstreamRequest { carry, dropped, ..crate::request(call, action, &body)? }))
}

/// Everything of a request that is neither conversation nor tools.
struct Parameters<'r> {
    settings: &'r Settings,
    call: &'r Call,
    request: &'r ChatRequest<'r>,
    family: Family,
}

impl Parameters<'_> {
    /// The fields of the upstream request, and the client's that it leaves out.
    fn translate(&self, may_think: bool, legacy: bool) -> (Map<String, Value>, Vec<String>) {
        let reasoning = Reasoning::of(self.request, &self.call.model, may_think);
        let tier = self.request.service_tier.as_deref().filter(|tier| ["flex", "priority", "reserved"].contains(tier));
        let tables = [
            (LIMITS, true),
            (OWN_FIELDS, true),
            (SAMPLING, !reasoning.fixes_sampling),
            (self.family.top_k(), !reasoning.fixes_sampling),
            (CLAUDE_FIELDS, matches!(self.family, Family::Claude | Family::Unknown)),
            ("reasoning_effort:", reasoning.passed),
            ("response_format:", self.request.wanted_json().is_some()),
            ("service_tier:", tier.is_some()),
            // Not the client's: an answer in the form of functions has room for one call.
            ("parallel_tool_calls:", legacy),
        ];
        let tables: Vec<&str> = tables.into_iter().filter(|(_, applies)| *applies).map(|(table, _)| table).collect();
        let (mut rest, mut dropped) = self.request.fields(&tables);
        dropped.extend(self.inference_config(&mut rest, reasoning.token_limit));
        self.model_fields(&mut rest, reasoning.fields);
        self.output_config(&mut rest, reasoning.effort);
        self.guardrail_config(&mut rest);
        insert(&mut rest, "serviceTier", tier.map(|tier| ("type".to_owned(), tier.into())).into_iter().collect());
        (rest, dropped)
    }

    /// Limits and sampling, in the ranges of Converse. Returns the name of what was left out all the same.
    fn inference_config(&self, rest: &mut Map<String, Value>, token_limit: Option<u64>) -> Option<String> {
        let mut config = moved(rest, "maxTokens temperature topP stopSequences");
        config.extend(token_limit.map(|limit| ("maxTokens".to_owned(), limit.into())));
        if let Some(temperature) = config.get_mut("temperature")
            && let Some(given) = temperature.as_f64()
        {
            *temperature = self.settings.temperature.scaled(given).into();
        }
        let mut dropped = None;
        // Claude refuses to stop at white space.
        if let Some(Value::Array(stops)) = config.get_mut("stopSequences").filter(|_| self.family == Family::Claude) {
            let count = stops.len();
            stops.retain(|text| text.as_str().is_some_and(|text| !text.trim().is_empty()));
            dropped = (stops.len() < count).then(|| "stop".to_owned());
            if stops.is_empty() {
                config.shift_remove("stopSequences");
            }
        }
        insert(rest, "inferenceConfig", config);
        dropped
    }

    /// What the model gets as it is: the operator's, what reasoning adds, the client's.
    fn model_fields(&self, rest: &mut Map<String, Value>, reasoning: Map<String, Value>) {
        let mut fields = self.settings.additional_model_request_fields.clone();
        fields.extend(reasoning);
        fields.extend(moved(rest, CLAUDE_FIELDS));
        fields.extend(moved(rest, "top_k"));
        insert(&mut fields, "inferenceConfig", moved(rest, "topK"));
        fields.extend(given(rest, MODEL_FIELDS));
        insert(rest, MODEL_FIELDS, fields);
    }

    /// The form of the answer, and the effort for it. A schema is a string here.
    fn output_config(&self, rest: &mut Map<String, Value>, effort: Option<&str>) {
        let mut config = Map::new();
        config.extend(effort.map(|effort| ("effort".to_owned(), effort.into())));
        if let Some(WantedJson::Schema(schema)) = self.request.wanted_json() {
            let mut definition = vec![("schema", schema.get().into())];
            if let Some(format) = self.request.response_format.as_ref().and_then(|format| format.json_schema.as_ref()) {
                definition.extend(format.name.as_deref().map(|name| ("name", name.into())));
                definition.extend(format.description.as_deref().map(|text| ("description", text.into())));
            }
            let structure = object(vec![("jsonSchema", object(definition))]);
            let format = object(vec![("type", "json_schema".into()), ("structure", structure)]);
            config.insert("textFormat".to_owned(), format);
        }
        config.extend(given(rest, "outputConfig"));
        insert(rest, "outputConfig", config);
    }

    /// The guardrail. A client may bring its own, but not take the operator's away.
    fn guardrail_config(&self, rest: &mut Map<String, Value>) {
        let mut config = given(rest, "guardrailConfig");
        config.extend(self.settings.guardrail_config.clone());
        if !self.call.stream {
            // Only streams can be told how they are to be watched.
            config.shift_remove("streamProcessingMode");
        }
        insert(rest, "guardrailConfig", config);
    }
}

/// Takes these fields out.
fn moved(fields: &mut Map<String, Value>, names: &str) -> Map<String, Value> {
    names.split_whitespace().filter_map(|name| fields.shift_remove_entry(name)).collect()
}

/// Takes an object out, empty if it is not there or something else.
pub fn given(fields: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match fields.shift_remove(name) {
        Some(Value::Object(given)) => given,
        _ => Map::new(),
    }
}

/// Puts an object in, unless it is empty.
fn insert(fields: &mut Map<String, Value>, name: &str, object: Map<String, Value>) {
    if !object.is_empty() {
        fields.insert(name.to_owned(), object.into());
    }
}
