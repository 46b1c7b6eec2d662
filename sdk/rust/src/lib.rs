//! Write a plugin for the Weir LLM gateway in Rust.
//!
//! A provider plugin translates between the OpenAI API, which is Weir's canonical form, and one upstream API. It
//! does no IO: implement [`Provider`], hand the type to [`export_provider!`], and build for `wasm32-wasip2`.
//! `docs/adding-a-provider.md` walks through a whole one; `plugins/` holds those that come with Weir.
//!
//! A policy decides which targets serve a request, and in which order: implement [`routing::Policy`], hand the type to
//! [`export_policy!`]. `docs/writing-a-policy.md` walks through one.
//!
//! This crate is not the contract: that is `wit/`, which any language can implement.

pub mod bedrock;
#[doc(hidden)]
pub mod bindings;
mod boxed_decoder;
pub mod claude;
mod client_headers;
mod configured;
mod describe;
pub mod dialect;
mod failure;
#[cfg(not(target_arch = "wasm32"))]
pub mod golden;
pub mod json;
pub mod kv;
pub mod log;
pub mod openai;
mod parking;
mod path;
mod provider;
pub mod random;
pub mod routing;
pub mod settings;

pub use bindings::exports::weir::plugin::provider::{
    Auth, Call, Descriptor, Encoded, Event, FieldEdit, Framing, Position, Progress, RateLimit, RateLimitHeader,
    RequestBody, ResponseHead, ResponseMode, UpstreamRequest,
};
pub use bindings::weir::plugin::types::{Failure, FailureKind, Header, Operation};
#[doc(hidden)]
pub use configured::Configured;
pub use failure::tells_of_context_length;
pub use parking::{Parkable, park, unpark};
#[doc(hidden)]
pub use parking::{read_text, write_text};
pub use path::{path_segment, path_segments};
#[doc(hidden)]
pub use provider::DecoderCell;
pub use provider::{Provider, StreamDecoder};
pub use {serde, serde_json};
