//! What clients can ask for, each with its path and its dialect. What is said in them is translated in `dialect`, if
//! the target does not speak it by itself; here they differ in nothing but the shape of an error.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;

use super::body;
use super::reply::{Reply, Shape};
use crate::chat::request::Peek;
use crate::config::Key;
use crate::error::Error;
use crate::pipeline::{self, Account, Answer, Snapshot};
use crate::plugin::Operation;

/// Something that clients can ask for with a `POST`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// Its path, which is also the label in the metrics.
    pub(super) path: &'static str,
    operation: Operation,
    /// The field that its document has to have beside `model`.
    required: &'static str,
    /// What its errors look like.
    pub(super) shape: Shape,
}

/// All that there is.
static OFFERS: [Offer; 6] = [
    offer("/v1/chat/completions", Operation::Chat, "messages", Shape::OpenAi),
    offer("/v1/completions", Operation::Completions, "prompt", Shape::OpenAi),
    offer("/v1/embeddings", Operation::Embeddings, "input", Shape::OpenAi),
    offer("/v1/responses", Operation::Responses, "input", Shape::OpenAi),
    offer("/v1/messages", Operation::Messages, "messages", Shape::Messages),
    offer("/v1/messages/count_tokens", Operation::CountTokens, "messages", Shape::Messages),
];

const fn offer(path: &'static str, operation: Operation, required: &'static str, shape: Shape) -> Offer {
    Offer { path, operation, required, shape }
}

/// What is offered at a path, given without `/v1`.
pub(super) fn at(path: &str) -> Option<&'static Offer> {
    OFFERS.iter().find(|offer| offer.path.strip_prefix("/v1") == Some(path))
}

/// Answers a request for it.
pub(super) async fn answer(
    offer: &'static Offer,
    request: Request<Incoming>,
    snapshot: &Snapshot,
    id: &Arc<str>,
    key: Option<&Key>,
    mut account: Account,
) -> Reply {
    let request = match read(offer, request, snapshot, id, key).await {
        Ok(request) => request,
        Err(error) => return Reply::failed(offer.shape, error, account),
    };
    account.set_stream(request.peek.stream);
    match pipeline::answer(snapshot, request, account).await {
        Ok(Answer::Whole { body, headers }) => Reply::document(body).with_headers(headers),
        Ok(Answer::Stream { relay, headers }) => Reply::stream(relay).with_headers(headers),
        Err((error, account)) => Reply::failed(offer.shape, error, account),
    }
}

async fn read<'a>(
    offer: &Offer,
    request: Request<Incoming>,
    snapshot: &Snapshot,
    id: &Arc<str>,
    key: Option<&'a Key>,
) -> Result<pipeline::Request<'a>, Error> {
    let config = snapshot.config();
    let limits = body::Limits {
        bytes: config.limits.body_bytes,
        pause: config.client_timeouts.body,
        total: config.client_timeouts.body_total,
    };
    let (headers, body) = body::read(request, &limits).await?;
    let default_model = config.default_model.as_deref();
    let peek = match offer.operation {
        Operation::Chat => Peek::chat(&body, default_model)?,
        _ => Peek::other(&body, default_model, offer.required)?,
    };
    Ok(pipeline::Request { id: Arc::clone(id), operation: offer.operation, body, peek, headers, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offer_is_found_at_its_path() {
        for offer in &OFFERS {
            assert_eq!(at(offer.path.strip_prefix("/v1").unwrap()), Some(offer));
        }
        assert_eq!(at("/chat"), None);
    }
}
