//! The Response object: what it says of the request and of the answer around its output.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Value, json};

use super::{Object, tools};
use crate::error::{Cause, Error};

/// What is echoed of a request, and what it says if the request did not.
const ECHOED: [(&str, &str); 19] = [
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("presence_penalty", "0.0"),
    ("frequency_penalty", "0.0"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
    ("user", "null"),
];

/// Fields of answers and chunks that are told in another way, or that a Response has for something else.
const OWN: [&str; 16] = [
    "id",
    "object",
    "created",
    "created_at",
    "completed_at",
    "status",
    "error",
    "incomplete_details",
    "output",
    "choices",
    "store",
    "truncation",
    "prompt",
    "conversation",
    "image",
    "obfuscation",
];

/// What a Response repeats of its request.
#[derive(Debug)]
pub(super) struct Echo {
    fields: Object,
    service_tier: Option<String>,
}

impl Echo {
    /// Takes note of a request, which need not be valid.
    pub(super) fn of(request: &Object) -> Self {
        let mut fields = Object::new();
        for (name, default) in ECHOED {
            let sent = request.get(name).filter(|value| !value.is_null());
            let value = match (name, sent) {
                ("tools", Some(Value::Array(tools))) => tools.iter().map(tools::echo).collect(),
                ("text", Some(Value::Object(text))) if !text.contains_key("format") => {
                    let mut text = text.clone();
                    text.insert("format".to_owned(), json!({ "type": "text" }));
                    text.into()
                }
                (_, Some(value)) => value.clone(),
                (_, None) => serde_json::from_str(default).unwrap_or_default(),
            };
            fields.insert(name.to_owned(), value);
        }
        fields.insert("store".to_owned(), false.into());
        fields.insert("truncation".to_owned(), "disabled".into());
        let service_tier = request.get("service_tier").and_then(Value::as_str).map(str::to_owned);
        Self { fields, service_tier }
    }
}

/// The ids of a Response and its items.
#[derive(Debug)]
pub(super) struct Identity {
    letters: String,
}

impl Identity {
    /// Ids that show from which request they come. They are unique even if the client gives all its requests one id.
    pub(super) fn new(request: &str) -> Self {
        let request = request.strip_prefix("req_").unwrap_or(request);
        let known = request.chars().filter(char::is_ascii_alphanumeric).take(32);
        Self { letters: known.chain(std::iter::repeat_with(fastrand::alphanumeric).take(16)).collect() }
    }
}

/// How an answer stands.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    InProgress,
    Completed,
    /// The reason why it is not complete.
    Incomplete(&'static str),
    /// The error, as a Response has it.
    Failed(Value),
}

impl Outcome {
    const fn status(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }

    /// The event that tells it.
    pub(super) fn event(&self) -> String {
        format!("response.{}", self.status())
    }
}

/// All of a Response but its output.
#[derive(Debug)]
pub(super) struct Response {
    echo: Echo,
    identity: Identity,
    /// In seconds since 1970.
    created: Option<u64>,
    model: String,
    usage: Option<Value>,
    service_tier: Option<String>,
    /// What the upstream says beyond the API.
    extensions: Object,
}

#[derive(Serialize)]
struct Document<'a> {
    id: String,
    object: &'static str,
    created_at: u64,
    completed_at: Option<u64>,
    status: &'static str,
    error: Option<&'a Value>,
    incomplete_details: Option<Value>,
    model: &'a str,
    output: &'a [Value],
    usage: Option<&'a Value>,
    service_tier: &'a str,
    #[serde(flatten)]
    echo: &'a Object,
    #[serde(flatten)]
    extensions: &'a Object,
}

impl Response {
    pub(super) fn new(echo: Echo, identity: Identity) -> Self {
        Self {
            echo,
            identity,
            created: None,
            model: String::new(),
            usage: None,
            service_tier: None,
            extensions: Object::new(),
        }
    }

    /// Takes in what a chunk, or an answer, says beside its choices.
    pub(super) fn note(&mut self, chunk: Object) {
        for (name, value) in chunk {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("created", value) => self.created = self.created.or(value.as_u64()),
                ("model", Value::String(model)) => {
                    if self.model.is_empty() {
                        self.model = model;
                    }
                }
                ("usage", Value::Object(counts)) => self.usage = Some(usage(counts)),
                ("service_tier", Value::String(tier)) => self.service_tier = Some(tier),
                ("model" | "usage" | "service_tier", _) => {}
                (own, _) if OWN.contains(&own) || self.echo.fields.contains_key(own) => {}
                (_, value) => drop(self.extensions.insert(name, value)),
            }
        }
    }

    /// The id of an item.
    pub(super) fn item_id(&self, prefix: &str, index: usize) -> String {
        format!("{prefix}_{}{index:02}", self.identity.letters)
    }

    /// The Response object as JSON.
    pub(super) fn document(&self, outcome: &Outcome, output: &[Value]) -> String {
        let document = Document {
            id: format!("resp_{}", self.identity.letters),
            object: "response",
            created_at: self.created.unwrap_or_else(now),
            completed_at: (*outcome == Outcome::Completed).then(now),
            status: outcome.status(),
            error: match outcome {
                Outcome::Failed(error) => Some(error),
                _ => None,
            },
            incomplete_details: match outcome {
                Outcome::Incomplete(reason) => Some(json!({ "reason": reason })),
                _ => None,
            },
            model: &self.model,
            output,
            usage: self.usage.as_ref(),
            service_tier: self.service_tier.as_ref().or(self.echo.service_tier.as_ref()).map_or("default", |tier| tier),
            echo: &self.echo.fields,
            extensions: &self.extensions,
        };
        // Values, and maps whose keys are strings, always become JSON.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

/// The error of a Response that failed. Its codes are a closed set.
pub(super) fn failure(error: &Error) -> Value {
    let code = match error.cause {
        Cause::RateLimit => "rate_limit_exceeded",
        Cause::InvalidRequest | Cause::ContextLength | Cause::ContentFilter => "invalid_prompt",
        _ => "server_error",
    };
    json!({ "code": code, "message": error.message })
}

/// The usage as a Response has it. Counts that it has no name for keep theirs.
fn usage(mut counts: Object) -> Value {
    let mut usage = Object::new();
    let sides = [
        ("input", "prompt", &["cached_tokens", "cache_write_tokens"][..]),
        ("output", "completion", &["reasoning_tokens"][..]),
    ];
    for (name, canonical, required) in sides {
        let mut details = match counts.remove(&format!("{canonical}_tokens_details")) {
            Some(Value::Object(details)) => details,
            _ => Object::new(),
        };
        details.retain(|_, count| !count.is_null());
        for &count in required {
            details.entry(count).or_insert_with(|| 0.into());
        }
        let count = counts.remove(&format!("{canonical}_tokens")).unwrap_or_else(|| 0.into());
        usage.insert(format!("{name}_tokens"), count);
        usage.insert(format!("{name}_tokens_details"), details.into());
    }
    usage.extend(counts.into_iter().filter(|(_, count)| !count.is_null()));
    usage.into()
}

/// Now, in seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
