//! A completion's request as one of a chat.
//!
//! | completions | canonical |
//! |---|---|
//! | `prompt`: a string, or a list of one | a message of the user |
//! | `max_tokens`, 16 if there is none | `max_completion_tokens` |
//! | `logprobs`: a number | `logprobs: true`, and the number as `top_logprobs` |
//! | `echo` | done on the way back |
//! | `best_of` over 1, `suffix`, `echo` with `logprobs` | refused |
//! | all others | the same |

use serde_json::{Map, Value, json};

use super::answer::Asked;
use crate::error::Error;

type Object = Map<String, Value>;

/// What the API takes for `max_tokens` where the client gives none.
const DEFAULT_MAX_TOKENS: u64 = 16;

/// As many likely tokens as a chat can name.
const MOST_LOGPROBS: u64 = 20;

/// Translates a body. Returns the canonical document, and what the way back has to know.
pub(super) fn translate(body: &[u8]) -> Result<(String, Asked), Error> {
    let mut given = parse(body)?;
    refuse(&mut given)?;
    let prompt = match given.remove("prompt") {
        Some(prompt) => single(prompt)?,
        None => return Err(Error::invalid_field("prompt", "`prompt` is missing: the text to complete.")),
    };
    let echo = boolean(&mut given, "echo")?;
    let logprobs = logprobs(&mut given)?;
    if echo && logprobs.is_some() {
        let message = "This model cannot tell the log probabilities of the prompt, which `echo` asks for.";
        return Err(unsupported("echo", message));
    }
    let stream = given.get("stream") == Some(&Value::Bool(true));
    let include_usage = match given.remove("stream_options") {
        Some(_) if !stream => {
            return Err(Error::invalid_field("stream_options", "`stream_options` needs `stream` to be true."));
        }
        Some(options) => options["include_usage"] == true,
        None => false,
    };

    let mut canonical = Object::new();
    let messages = json!([{ "role": "user", "content": prompt }]);
    let limit = given.remove("max_tokens").unwrap_or_else(|| DEFAULT_MAX_TOKENS.into());
    canonical.extend(given.remove("model").map(|model| ("model".to_owned(), model)));
    canonical.insert("messages".to_owned(), messages);
    canonical.insert("max_completion_tokens".to_owned(), limit);
    if let Some(count) = logprobs {
        canonical.insert("logprobs".to_owned(), true.into());
        canonical.insert("top_logprobs".to_owned(), count.into());
    }
    for (name, value) in given {
        canonical.entry(name).or_insert(value);
    }
    if stream {
        canonical.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    let offset = prompt.chars().count();
    let asked = Asked { echo: echo.then_some(prompt), offset, logprobs, include_usage };
    Ok((Value::Object(canonical).to_string(), asked))
}

/// Parses a body, and leaves out the fields that are null: they mean nothing.
fn parse(body: &[u8]) -> Result<Object, Error> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(mut object)) => {
            object.retain(|_, value| !value.is_null());
            Ok(object)
        }
        Ok(_) => Err(Error::invalid_request("The request body must be a JSON object with at least `prompt`.")),
        Err(fault) => Err(Error::invalid_request(format!("The request body is not valid JSON: {fault}."))),
    }
}

fn unsupported(param: &str, message: &str) -> Error {
    Error::invalid_field(param, message).with_code("unsupported_parameter")
}

/// Takes out what asks for nothing, and fails for what a chat cannot do.
fn refuse(given: &mut Object) -> Result<(), Error> {
    match given.remove("suffix") {
        None => {}
        Some(Value::String(suffix)) if suffix.is_empty() => {}
        Some(_) => return Err(unsupported("suffix", "This model cannot fill in before a `suffix`.")),
    }
    match given.remove("best_of") {
        None => Ok(()),
        Some(best_of) if best_of == 1 || Some(&best_of) == given.get("n") => Ok(()),
        Some(_) => Err(unsupported("best_of", "This model cannot choose the best of several completions.")),
    }
}

/// The prompt, if it is one, and text.
fn single(prompt: Value) -> Result<String, Error> {
    let refused = |message: &str| Err(unsupported("prompt", message));
    let mut list = match prompt {
        Value::String(text) => return Ok(text),
        Value::Array(list) => list,
        _ => return Err(Error::invalid_field("prompt", "`prompt` must be a string, or a list of one string.")),
    };
    if list.iter().any(|prompt| prompt.is_number() || prompt.is_array()) {
        return refused("This model takes no prompt of token numbers: send it as text.");
    }
    match (list.pop(), list.is_empty()) {
        (Some(Value::String(text)), true) => Ok(text),
        (Some(_), false) => refused("This model takes one prompt in a request: send the others on their own."),
        _ => Err(Error::invalid_field("prompt", "`prompt` must be a string, or a list of one string.")),
    }
}

fn boolean(given: &mut Object, name: &'static str) -> Result<bool, Error> {
    match given.remove(name) {
        None => Ok(false),
        Some(Value::Bool(value)) => Ok(value),
        Some(_) => Err(Error::invalid_field(name, format!("`{name}` must be a boolean."))),
    }
}

fn logprobs(given: &mut Object) -> Result<Option<u64>, Error> {
    match given.remove("logprobs") {
        None | Some(Value::Bool(false)) => Ok(None),
        Some(value) => match value.as_u64().filter(|count| *count <= MOST_LOGPROBS) {
            Some(count) => Ok(Some(count)),
            None => {
                let message = format!("`logprobs` must be a whole number from 0 to {MOST_LOGPROBS}.");
                Err(Error::invalid_field("logprobs", message))
            }
        },
    }
}
