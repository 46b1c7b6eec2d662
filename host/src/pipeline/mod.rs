//! The life of a request, from a canonical document to the answer that goes back: [`chat`] tells it from top to
//! bottom. Sockets and dialects are not here: `api` hands over what a client sent, `upstream` carries what a plugin
//! wants sent.

mod account;
mod attempt;
mod chat;
mod discovery;
mod failure;
mod provider;
mod reload;
mod resolve;
mod retry;
mod snapshot;
mod stream;

pub use account::Account;
pub use chat::{Answer, ChatRequest, chat};
pub use provider::Provider;
pub use reload::{Gateway, Reloaded, StartError};
pub use snapshot::{ListedModel, Snapshot};
pub use stream::Relay;
