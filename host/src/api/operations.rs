//! `POST /v1/chat/completions`: the canonical dialect, so nothing is translated on the way in.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;

use super::body;
use super::reply::Reply;
use crate::chat::request::Peek;
use crate::error::Error;
use crate::pipeline::{Account, Answer, ChatRequest, Snapshot, chat};

/// Answers a request for a chat completion.
pub(super) async fn completions(
    request: Request<Incoming>,
    snapshot: &Snapshot,
    id: &Arc<str>,
    mut account: Account,
) -> Reply {
    let request = match read(request, snapshot, id).await {
        Ok(request) => request,
        Err(error) => return Reply::failed(error, account),
    };
    account.set_stream(request.peek.stream);
    match chat(snapshot, request, account).await {
        Ok(Answer::Whole { body, headers }) => Reply::document(body).with_headers(headers),
        Ok(Answer::Stream { relay, headers }) => Reply::stream(relay).with_headers(headers),
        Err((error, account)) => Reply::failed(error, account),
    }
}

async fn read(request: Request<Incoming>, snapshot: &Snapshot, id: &Arc<str>) -> Result<ChatRequest, Error> {
    let config = snapshot.config();
    let (headers, body) = body::read(request, config.limits.body_bytes).await?;
    let peek = Peek::chat(&body, config.default_model.as_deref())?;
    Ok(ChatRequest { id: Arc::clone(id), body, peek, headers })
}
