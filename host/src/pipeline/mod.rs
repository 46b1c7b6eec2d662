//! The life of a request, from what a client sent to the answer that goes back: [`request`] tells it from top to
//! bottom. Sockets and dialects are not here: `api` hands over what a client sent, `upstream` carries what a plugin
//! wants sent.

mod account;
mod attempt;
mod discovery;
mod dropped;
mod embeddings;
mod failure;
mod media;
mod ongoing;
mod plan;
mod policy;
mod provider;
mod reload;
mod request;
mod resolve;
mod retry;
mod route;
mod snapshot;
mod stream;
mod work;

pub use account::Account;
pub use plan::candidate;
pub use provider::Provider;
pub use reload::{Gateway, Reloaded, StartError};
pub use request::{Answer, Request, answer};
pub use snapshot::{ListedModel, Snapshot};
pub use stream::Relay;
