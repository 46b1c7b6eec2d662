//! Anthropic's Messages API: the translation between it and the OpenAI API, wherever Claude models are served.
//!
//! Anthropic itself, Vertex AI and Bedrock take and give the same documents; [`Cloud`] says in which few fields they
//! differ. A plugin asks for [`chat`], or [`native`] for clients of the Messages API, adds a path and how to
//! authenticate, and hands what comes back to [`decode`] and [`stream`]. What it wants of Claude without speaking this
//! API, as by Bedrock's Converse, is in [`ClaudeThinking`] and [`Effort`].
//!
//! Lists of models, and errors of the clouds themselves, are for the plugin.

mod answer;
pub mod failure;
mod native;
mod pieces;
mod request;
mod settings;
mod stream;
mod thinking;
mod wire;

pub use self::native::native;
pub use self::request::chat;
pub use self::settings::{Cloud, JsonObject, PROPERTIES, Reasoning, Settings, Unknown};
pub use self::thinking::{ClaudeThinking, Effort};
use crate::{Call, Failure, Operation, RequestBody, StreamDecoder, UpstreamRequest};

/// What an answer has to be told of its request: that the client speaks of functions, not tools.
const LEGACY: &str = "functions";

/// A `GET` with the headers that Anthropic wants. The plugin adds `path` and `auth`.
pub fn get(settings: &Settings, call: &Call) -> UpstreamRequest {
    request::upstream_request(settings, call, &request::betas(settings, call, None), RequestBody::None)
}

/// Translates the body of an answer with a 2xx status to what [`chat`] or [`native`] asked for.
///
/// # Errors
/// What the body says if it is no answer.
pub fn decode(call: &Call, carry: Option<&str>, body: &str) -> Result<String, Failure> {
    match call.operation {
        Operation::Chat => answer::answer(call, carry == Some(LEGACY), body),
        Operation::Messages | Operation::CountTokens => Err(failure::of_answer(body)),
        other => Err(Failure::no_operation(other)),
    }
}

/// Translates the events of a stream that [`chat`] or [`native`] asked for.
pub fn stream(call: Call, carry: Option<&str>) -> Box<dyn StreamDecoder> {
    match call.operation {
        Operation::Messages => Box::new(native::Relay),
        _ => Box::new(stream::Stream::new(call, carry == Some(LEGACY))),
    }
}

/// Goes on with a stream that was parked.
///
/// # Errors
/// For what is not the state of one.
pub fn unpark(state: &str) -> Result<Box<dyn StreamDecoder>, Failure> {
    match state {
        // What is passed on as it is has no state.
        "" => Ok(Box::new(native::Relay)),
        _ => Ok(Box::new(crate::unpark::<stream::Stream>(state)?)),
    }
}
