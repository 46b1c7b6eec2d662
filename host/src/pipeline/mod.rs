//! The life of a request, from what a client sent to the answer that goes back: [`request`] tells it from top to
//! bottom. Sockets and dialects are not here: `api` hands over what a client sent, `upstream` carries what a plugin
//! wants sent.

mod account;
mod attempt;
mod beside;
mod canonical;
mod checks;
mod condense;
mod discovery;
mod draw;
mod dropped;
mod embeddings;
mod endpoints;
mod failure;
mod form;
mod media;
mod members;
mod models;
mod ongoing;
mod outliers;
mod plan;
mod policy;
mod provider;
mod reload;
mod request;
mod resolve;
mod retry;
mod route;
mod snapshot;
mod status;
mod stream;
mod summary;
mod work;

pub use account::Account;
pub use checks::Checked;
pub use discovery::{Discovered, FoundEndpoint};
pub use plan::candidate;
pub use provider::Provider;
pub use reload::{Gateway, Reloaded, StartError};
pub use request::{Answer, Request, answer};
pub use snapshot::{ListedModel, Snapshot};
pub use status::{ModelStatus, ProviderStatus, TargetStatus};
pub use stream::Relay;
