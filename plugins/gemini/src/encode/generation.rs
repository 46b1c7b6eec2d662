//! How to generate: OpenAI's parameters as Gemini's `generationConfig`, and what a client asks for in Gemini's own words.

use serde_json::{Map, Value, json};
use weir_plugin::Failure;
use weir_plugin::json::{camel_case, object};
use weir_plugin::openai::{ChatRequest, WantedJson, asks_for_something, reduced_schema};

use super::thinking;
use super::tools::OPENAPI;
use crate::settings::{Schemas, Settings};

/// OpenAI's parameters, and what Gemini calls them.
const PARAMETERS: &str = "n:candidateCount frequency_penalty:frequencyPenalty top_logprobs:logprobs \
    max_tokens:maxOutputTokens presence_penalty:presencePenalty logprobs:responseLogprobs seed stop:stopSequences \
    temperature top_k:topK top_p:topP";

/// Fields of Gemini's requests beside those that are translated, which a client may use as they are.
const TOP: &str = "cachedContent labels safetySettings";

/// Fields of `generationConfig`, which a client may also use at the top level.
const GENERATION: &str = "audioTimestamp enableEnhancedCivicAnswers imageConfig mediaResolution modelSelectionConfig \
    responseJsonSchema responseMimeType responseModalities responseSchema routingConfig speechConfig thinkingConfig";

/// What is translated with other fields, or changes nothing of the answer.
const PASSED_OVER: &str = "modalities moderation prediction prompt_cache_options thinking";

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
        own.sort(&request.extra).map(|()| own)
    }

    fn sort(&mut self, fields: &Map<String, Value>) -> Result<(), Failure> {
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            // Gemini takes both spellings, but two of them at once are an error.
            let camel = camel_case(name);
            match (camel.as_str(), value) {
                ("functions", _) => {
                    return Err(Failure::unsupported("functions", "This provider takes functions as 'tools'."));
                }
                // Where Google's own OpenAI endpoint has its fields, with and without what Python's client adds around.
                ("google" | "extraBody", Value::Object(fields)) => self.sort(fields)?,
                ("generationConfig", Value::Object(fields)) => self.generation.extend(in_camels(fields)),
                ("toolConfig", Value::Object(fields)) => self.tool_config.extend(in_camels(fields)),
                ("modalities", Value::Array(list)) if list.iter().any(|modality| modality != "text") => {
                    let modalities = list.iter().filter_map(Value::as_str).map(str::to_ascii_uppercase);
                    self.generation.insert("responseModalities".to_owned(), modalities.collect());
                }
                ("audio", Value::Object(_)) => self.speak(value),
                ("webSearchOptions", Value::Object(_)) => self.searches = true,
                (own, _) if has(TOP, own) => drop(self.top.insert(camel, value.clone())),
                (own, _) if has(GENERATION, own) => drop(self.generation.insert(camel, value.clone())),
                _ if has(PASSED_OVER, name) || !asks_for_something(name, value) => {}
                _ => self.dropped.push(name.to_owned()),
            }
        }
        Ok(())
    }

    /// The voice of an answer. Its format is what Gemini makes of it: samples of 16 bits.
    fn speak(&mut self, audio: &Value) {
        if let Some(voice) = audio["voice"].as_str() {
            let voice = object(vec![("prebuiltVoiceConfig", object(vec![("voiceName", voice.into())]).into())]);
            let config = object(vec![("voiceConfig", voice.into())]);
            self.generation.entry("speechConfig").or_insert(config.into());
        }
        if audio["format"].as_str().is_some_and(|format| format != "pcm16") {
            self.dropped.push("audio.format".to_owned());
        }
    }
}

/// The `generationConfig`. What the client asks for in Gemini's own words wins.
pub fn config(request: &ChatRequest, settings: &Settings, model: &str, own: &mut Own) -> Map<String, Value> {
    let (mut config, _) = request.fields(&[PARAMETERS]);
    config.retain(|name, value| !name.ends_with("Penalty") || *value != json!(0.0));
    if !config.contains_key("responseLogprobs") {
        config.shift_remove("logprobs");
    }
    // Gemini's seeds have 31 bits. A larger one still gives the same answer each time.
    if let (Some(given), Some(seed)) = (request.seed, config.get_mut("seed")) {
        *seed = i32::try_from(given).map_or(given & 0x7fff_ffff, i64::from).into();
    }
    if let Some(wanted) = request.wanted_json() {
        config.insert("responseMimeType".to_owned(), "application/json".into());
        if let WantedJson::Schema(schema) = wanted {
            let schema = serde_json::from_str(schema.get()).unwrap_or_default();
            let (name, schema) = match settings.schemas {
                Schemas::Json => ("responseJsonSchema", schema),
                Schemas::Openapi => ("responseSchema", reduced_schema(&schema, OPENAPI)),
            };
            config.insert(name.to_owned(), schema);
        }
    }
    if !own.generation.contains_key("thinkingConfig") {
        match thinking::config(request, settings, model) {
            Ok(thinking) if thinking.is_empty() => {}
            Ok(thinking) => drop(config.insert("thinkingConfig".to_owned(), thinking.into())),
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
    config
}

fn has(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|known| known == word)
}

fn in_camels(fields: &Map<String, Value>) -> impl Iterator<Item = (String, Value)> {
    fields.iter().map(|(name, value)| (camel_case(name), value.clone()))
}
