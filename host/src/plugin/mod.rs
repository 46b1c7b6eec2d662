//! The sandbox: loads components, runs them within limits, and replaces them while the gateway runs.
//!
//! This is the only module that names wasmtime. It knows nothing of HTTP: what a plugin wants sent is data here, and
//! `pipeline` sends it. [`Library`] holds the loaded plugins; [`ProviderPlugin`] and [`PolicyPlugin`] are one of
//! them with its settings.

mod bindings;
mod cache;
mod call;
mod capability;
mod generation;
mod guest;
mod inspect;
mod instance;
mod library;
mod limits;
mod policy;
mod pool;
mod provider;
mod quarantine;
mod sandbox;
mod stream;
mod world;

pub use bindings::provider::exports::weir::plugin::provider::{
    Auth, Call, Encoded, Event, FieldEdit, Framing, Position, Progress, RateLimit, RateLimitHeader, RequestBody,
    ResponseHead, ResponseMode, UpstreamRequest,
};
pub use bindings::routing::exports::weir::plugin::routing::{
    Attempt as PlannedAttempt, Breaker, Candidate, Entry, Health, Outcome, Prices, Request as RoutingRequest, Target,
};
pub use bindings::types::{Failure, FailureKind, Header, Operation};
pub use call::{CallError, FUNCTIONS, Fault};
pub use generation::{Abilities, Descriptor, Generation, LoadError, PolicyAbilities, ProviderAbilities};
pub use inspect::{Inspection, inspect};
pub use library::{Library, PluginState, Serving};
pub use policy::PolicyPlugin;
pub use provider::ProviderPlugin;
pub use sandbox::{CONTRACT_VERSION, Sandbox};
pub use stream::StreamDecoder;
pub use world::Kind;
