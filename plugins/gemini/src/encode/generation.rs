//! How to generate: OpenAI's parameters as Gemini's `generationConfig`, and what a client asks for in Gemini's own words.

use serde_json::{Map, Value, json};
use weir_plugin::Failure;
use weir_plugin::openai::ChatRequest;

use super::{thinking, tools};
use crate::settings::{Schemas, Settings};

/// Fields of Gemini's requests beside those that are translated, which a client may use as they are.
const TOP: [&str; 3] = ["cachedContent", "labels", "safetySettings"];

/// Fields of `generationConfig`, which a client may also use at the top level.
const GENERATION: [&str; 12] = [
    "audioTimestamp",
    "enableEnhancedCivicAnswers",
    "imageConfig",
    "mediaResolution",
    "modelSelectionConfig",
    "responseJsonSchema",
    "responseMimeType",
    "responseModalities",
    "responseSchema",
    "routingConfig",
    "speechConfig",
    "thinkingConfig",
];

/// What changes nothing of the answer, and is left out without a word.
const HINTS: [&str; 8] = [
    "cache_control",
    "metadata",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "store",
];

/// What a client asks for beside the fields that all providers have.
#[derive(Default)]
pub struct Own {
    /// Gemini's own top-level fields.
    pub top: Map<String, Value>,
    /// Gemini's own `toolConfig`.
    pub tool_config: Map<String, Value>,
    /// Whether the client wants the web to be searched.
    pub searches: bool,
    /// What has to be left out.
    pub dropped: Vec<String>,
    generation: Map<String, Value>,
}

impl Own {
    /// Sorts the fields of a request that the SDK has no place for.
    pub fn of(request: &ChatRequest) -> Result<Self, Failure> {
        let mut own = Self::default();
        for (name, value) in request.extra.iter().filter(|(_, value)| !value.is_null()) {
            own.sort(name, value)?;
        }
        Ok(own)
    }

    fn sort(&mut self, name: &str, value: &Value) -> Result<(), Failure> {
        let camel = camel(name);
        match (camel.as_str(), value) {
            ("functions", _) => {
                return Err(Failure::unsupported("functions", "This provider takes functions as 'tools'."));
            }
            // Where Google's own OpenAI endpoint has its fields, with and without what Python's client adds around.
            ("google" | "extraBody", Value::Object(fields)) => {
                return fields.iter().try_for_each(|(name, value)| self.sort(name, value));
            }
            ("generationConfig", Value::Object(fields)) => {
                self.generation.extend(fields.iter().map(|(name, value)| (self::camel(name), value.clone())));
            }
            ("toolConfig", Value::Object(fields)) => {
                self.tool_config.extend(fields.iter().map(|(name, value)| (self::camel(name), value.clone())));
            }
            ("modalities", Value::Array(list)) if list.iter().any(|modality| modality != "text") => {
                let modalities = list.iter().filter_map(Value::as_str).map(str::to_ascii_uppercase);
                self.generation.insert("responseModalities".to_owned(), modalities.collect());
            }
            ("audio", Value::Object(audio)) => self.speak(audio),
            ("webSearchOptions", Value::Object(_)) => self.searches = true,
            (known, _) if TOP.contains(&known) => drop(self.top.insert(camel, value.clone())),
            (known, _) if GENERATION.contains(&known) => drop(self.generation.insert(camel, value.clone())),
            // What is asked for is usual already, or translated with the effort.
            ("modalities", _) | ("thinking", Value::Object(_)) => {}
            _ if HINTS.contains(&name) || *value == json!({}) => {}
            _ => self.dropped.push(name.to_owned()),
        }
        Ok(())
    }

    /// The voice of an answer. Its format is what Gemini makes of it: samples of 16 bits.
    fn speak(&mut self, audio: &Map<String, Value>) {
        if let Some(voice) = audio.get("voice").and_then(Value::as_str) {
            let config = json!({ "voiceConfig": { "prebuiltVoiceConfig": { "voiceName": voice } } });
            self.generation.entry("speechConfig").or_insert(config);
        }
        if audio.get("format").and_then(Value::as_str).is_some_and(|format| format != "pcm16") {
            self.dropped.push("audio.format".to_owned());
        }
    }
}

/// The `generationConfig`. What the client asks for in Gemini's own words wins.
pub fn config(
    request: &ChatRequest,
    settings: &Settings,
    model: &str,
    own: &mut Own,
) -> Result<Map<String, Value>, Failure> {
    let stop = request.stop.as_ref().map(|stop| stop.texts().iter().map(|text| text.as_str()).collect::<Value>());
    let probable = request.logprobs == Some(true);
    // Gemini's seeds have 31 bits. A larger one still gives the same answer each time.
    let seed = request.seed.map(|seed| i32::try_from(seed).map_or(seed & 0x7fff_ffff, i64::from));
    let fields = [
        ("candidateCount", request.n.filter(|n| *n != 1).map(Value::from)),
        ("frequencyPenalty", request.frequency_penalty.filter(|penalty| *penalty != 0.0).map(Value::from)),
        ("logprobs", request.top_logprobs.filter(|_| probable).map(Value::from)),
        ("maxOutputTokens", request.token_limit().map(Value::from)),
        ("presencePenalty", request.presence_penalty.filter(|penalty| *penalty != 0.0).map(Value::from)),
        ("responseLogprobs", probable.then_some(Value::Bool(true))),
        ("seed", seed.map(Value::from)),
        ("stopSequences", stop.filter(|stop| *stop != json!([]))),
        ("temperature", request.temperature.map(Value::from)),
        ("topK", request.top_k.map(Value::from)),
        ("topP", request.top_p.map(Value::from)),
    ];
    let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut config: Map<String, Value> = given.collect();
    format(request, settings, &mut config)?;
    if !own.generation.contains_key("thinkingConfig") {
        match thinking::config(request, settings, model) {
            Ok(thinking) => config.extend(thinking.map(|thinking| ("thinkingConfig".to_owned(), thinking))),
            Err(field) => own.dropped.push(field.to_owned()),
        }
    }
    match request.service_tier.as_deref() {
        Some(tier @ ("flex" | "priority")) => drop(own.top.insert("serviceTier".to_owned(), tier.into())),
        Some("default") => drop(own.top.insert("serviceTier".to_owned(), "standard".into())),
        Some("auto") | None => {}
        Some(_) => own.dropped.push("service_tier".to_owned()),
    }
    config.append(&mut own.generation);
    Ok(config)
}

/// The form of the answer.
fn format(request: &ChatRequest, settings: &Settings, config: &mut Map<String, Value>) -> Result<(), Failure> {
    let Some(format) = &request.response_format else { return Ok(()) };
    if !matches!(format.kind.as_deref(), Some("json_object" | "json_schema")) {
        return Ok(());
    }
    config.insert("responseMimeType".to_owned(), "application/json".into());
    let Some(schema) = format.json_schema.as_ref().and_then(|format| format.schema.as_ref()) else { return Ok(()) };
    let schema = serde_json::from_str(schema.get()).map_err(|error| Failure::internal(error.to_string()))?;
    match settings.schemas {
        Schemas::Json => config.insert("responseJsonSchema".to_owned(), schema),
        Schemas::Openapi => config.insert("responseSchema".to_owned(), tools::openapi(&schema)),
    };
    Ok(())
}

/// A field's name as Gemini's reference spells it. Gemini takes both spellings, but two of them at once are an error.
pub fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let first = word.len().min(1);
        camel.push_str(&word.get(..first).unwrap_or_default().to_ascii_uppercase());
        camel.push_str(word.get(first..).unwrap_or(word));
    }
    camel
}
