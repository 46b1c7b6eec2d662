//! What a request says beside its messages: options, thinking, and what only Ollama knows.

use serde_json::{Map, Value};
use weir_plugin::Failure;
use weir_plugin::openai::ChatRequest;

use crate::settings::{Reasoning, Settings};

/// Options that clients may send as fields of their own.
const OPTIONS: &str = "temperature top_p top_k seed stop presence_penalty frequency_penalty num_ctx num_predict \
                       max_tokens:num_predict num_keep num_batch num_gpu num_thread main_gpu use_mmap numa min_p \
                       typical_p tfs_z repeat_last_n repeat_penalty mirostat mirostat_tau mirostat_eta \
                       penalize_newline";

/// Fields that are sent in another form.
const OTHERS: &str = "think: keep_alive: options: reasoning_effort: response_format: functions: function_call:";

/// What a request says beside its messages.
#[derive(Debug)]
pub struct Parameters {
    /// Sampling and memory.
    pub options: Map<String, Value>,
    /// Fields of Ollama's own.
    pub own: Map<String, Value>,
    /// Fields that ask for what Ollama does not have.
    pub dropped: Vec<String>,
}

impl Parameters {
    /// Those of a request. `own` names the fields that go to Ollama as they are, with blanks between them.
    pub fn of(settings: &Settings, model: &str, request: &ChatRequest<'_>, own: &str) -> Result<Self, Failure> {
        let (fields, mut dropped) = request.fields(&[OPTIONS, OTHERS]);
        dropped.retain(|name| own.split(' ').all(|own| own != name));
        let given = |name: &str| request.extra.get(name).filter(|value| !value.is_null()).cloned();

        // The operator's options, then those of the OpenAI API, then those that the client names as Ollama does.
        let mut options = settings.options.clone();
        options.extend(settings.num_ctx.map(|tokens| ("num_ctx".to_owned(), tokens.into())));
        options.extend(fields);
        match given("options") {
            None => {}
            Some(Value::Object(own)) => options.extend(own),
            Some(_) => return Err(Failure::invalid_field("options", "'options' must be an object.")),
        }
        let mut parameters = Self { options, own: request.fields(&[own]).0, dropped };
        let think = match (given("think"), request.reasoning_effort.as_deref().filter(|effort| !effort.is_empty())) {
            (None, Some(effort)) => parameters.think(settings.reasoning, model, effort)?,
            (own, _) => own,
        };
        let keep_alive = given("keep_alive").or_else(|| settings.keep_alive.clone());
        for (name, value) in [("think", think), ("keep_alive", keep_alive)] {
            parameters.own.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(parameters)
    }

    /// What an effort means to the model.
    fn think(&mut self, reasoning: Reasoning, model: &str, effort: &str) -> Result<Option<Value>, Failure> {
        let level = match effort {
            "none" => None,
            "minimal" | "low" => Some("low"),
            "medium" => Some("medium"),
            "high" | "xhigh" | "max" => Some("high"),
            _ => return Err(Failure::invalid_field("reasoning_effort", "There is no such reasoning effort.")),
        };
        let knows_levels = match reasoning {
            Reasoning::Auto => model.contains("gpt-oss"),
            Reasoning::Levels => true,
            Reasoning::Switch => false,
            Reasoning::Drop => {
                self.dropped.push("reasoning_effort".to_owned());
                return Ok(None);
            }
        };
        Ok(Some(match level.filter(|_| knows_levels) {
            Some(level) => level.into(),
            None => level.is_some().into(),
        }))
    }
}
