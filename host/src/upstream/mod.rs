//! The only place that talks to providers, and to the registries that know where they are: pooled connections,
//! credentials, decompression, and the cutting of streams into events.
//!
//! It knows HTTP and nothing of what is said over it: not which provider it talks to, not what a document means, not
//! that there are plugins. It sets no deadline for a whole call and makes no second attempt: see `pipeline`.
//!
//! The life of a call: an [`Endpoint`] sends an [`Outgoing`] and gives back an [`Incoming`] once the head of the answer
//! is there; its body is then read [whole](Incoming::whole) or as [`Events`]. Dropping any of the three cancels the
//! call at the upstream at once.

mod connect;
mod connections;
mod credential;
mod encoding;
mod endpoint;
mod events;
mod fault;
mod fetch;
mod framing;
mod incoming;
mod lanes;
mod path;
mod rate_limits;
mod registry;
mod request;
mod retry_after;
mod sigv4;
#[cfg(test)]
mod tests;
mod waits;

pub use connections::ConnectionOptions;
pub use credential::{AwsCredentials, Credential, Secret};
pub use encoding::{DecodeError, Encoding, decode_all};
pub use endpoint::{BuildError as EndpointBuildError, Endpoint, EndpointOptions};
pub use events::{Batch, Events};
pub use fetch::{FetchOptions, Fetcher, MOST_URLS, Media};
pub use framing::{Event, Framing, Trailing};
pub use incoming::Incoming;
pub use rate_limits::{RateLimit, normalised as normalised_rate_limits};
pub use registry::{Listing, MOST_ENDPOINTS, Registry, RegistryError, Watch};
pub use request::Outgoing;
pub use retry_after::RetryHint;
