//! What one target is asked to do for a request: the request itself where the target speaks the client's dialect,
//! else the canonical chat that it stands for.

use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::HeaderValue;

use super::canonical::{self, Translate};
use super::provider::Provider;
use super::request::Request;
use super::route::Target;
use crate::chat::request::Peek;
use crate::dialect::native::{Named, Native};
use crate::dialect::{self, Dialect, Names, Translated};
use crate::error::{Cause, Error};
use crate::plugin::{Call, Header, Operation};

/// What one target is asked to do.
pub(super) struct Work {
    /// The id of the request.
    pub(super) id: Arc<str>,
    /// What is asked for.
    pub(super) call: Call,
    /// The document: that of `call.operation`.
    pub(super) body: Bytes,
    /// What the host knows of it.
    pub(super) peek: Peek,
    /// What the client is told of a chat that was made shorter.
    pub(super) condensed: Option<HeaderValue>,
    /// How the client is told what comes of it, if it is not told as it comes.
    dialect: Option<Box<dyn Dialect>>,
    /// What the client calls fields of the document that have another name there.
    names: Names,
    /// The client's fields that its dialect's translation leaves out though they ask for something.
    left_out: Vec<&'static str>,
    /// What was translated, and how: an attempt that comes to nothing leaves a dialect that has begun to tell.
    translated: Option<(Bytes, Translate)>,
}

impl Work {
    /// Asks a target for what the client wants, in the client's own dialect or translated.
    pub(super) fn new(request: &Request<'_>, target: &Target) -> Result<Self, Error> {
        let provider = &target.provider;
        if provider.supports(request.operation) {
            return Self::native(request, target);
        }
        Self::translated(request, target)
    }

    /// Asks a target for a chat, in which the client wanted something else.
    ///
    /// # Errors
    /// This is nothing that a chat can stand for, or the target offers none.
    pub(super) fn translated(request: &Request<'_>, target: &Target) -> Result<Self, Error> {
        let lacking = || lacking(&target.provider, request.operation);
        let (translate, names) = canonical::translation(request.operation).ok_or_else(lacking)?;
        if !target.provider.supports(Operation::Chat) {
            return Err(lacking());
        }
        let Translated { document, back, dropped } = translate(&request.body, &request.id)?;
        let peek = Peek::chat(document.as_bytes(), Some(&request.peek.model));
        let peek = peek.map_err(|error| dialect::error_for_client(names, error))?;
        let work = Self::of(request, target, Operation::Chat, document.into(), peek)?;
        let translated = Some((request.body.clone(), translate));
        Ok(Self { dialect: Some(back), names, left_out: dropped, translated, ..work })
    }

    /// Asks in the client's own dialect.
    fn native(request: &Request<'_>, target: &Target) -> Result<Self, Error> {
        let changed = match request.operation {
            Operation::Responses => dialect::responses::for_native(&request.body),
            Operation::Messages | Operation::CountTokens => dialect::messages::for_native(&request.body),
            _ => None,
        };
        if let Some(document) = changed {
            let peek = Peek::other(document.as_bytes(), Some(&request.peek.model), "")?;
            return Self::of(request, target, request.operation, document.into(), peek);
        }
        Self::of(request, target, request.operation, request.body.clone(), request.peek.clone())
    }

    fn of(
        request: &Request<'_>,
        target: &Target,
        operation: Operation,
        mut body: Bytes,
        mut peek: Peek,
    ) -> Result<Self, Error> {
        if let Some(changed) = target.changed(&body, &peek, operation) {
            peek = match operation {
                Operation::Chat => Peek::chat(&changed, Some(&peek.model))?,
                _ => Peek::other(&changed, Some(&peek.model), "")?,
            };
            body = changed;
        }
        let call = Call {
            operation,
            model: target.model.clone(),
            stream: peek.stream,
            include_usage: peek.include_usage,
            request_id: request.id.to_string(),
            headers: forwarded_headers(&request.headers, &target.provider),
        };
        Ok(Self {
            id: Arc::clone(&request.id),
            call,
            body,
            peek,
            condensed: None,
            dialect: None,
            names: &[],
            left_out: Vec::new(),
            translated: None,
        })
    }

    /// The client's fields that are left out: by the translation of its dialect, and these by the plugin.
    pub(super) fn dropped(&self, by_plugin: &[String]) -> Vec<String> {
        let own = |name: &String| dialect::name_for_client(self.names, name).unwrap_or_else(|| name.clone());
        self.left_out.iter().map(|name| (*name).to_owned()).chain(by_plugin.iter().map(own)).collect()
    }

    /// An error that names the client's own field.
    pub(super) fn error(&self, error: Error) -> Error {
        dialect::error_for_client(self.names, error)
    }

    /// How the client is told what comes of an attempt, for one that has just begun. `None`: as it comes.
    pub(super) fn dialect(&mut self) -> Result<Option<Box<dyn Dialect>>, Error> {
        if let Some(native) = native(self.call.operation).filter(|native| *native != Native::Completions) {
            return Ok(Some(Box::new(Named::new(native, &self.id))));
        }
        match (self.dialect.take(), &self.translated) {
            (None, Some((body, translate))) => translate(body, &self.id).map(|translated| Some(translated.back)),
            (dialect, _) => Ok(dialect),
        }
    }
}

/// The dialect of an operation whose documents the host only passes on.
pub(super) fn native(operation: Operation) -> Option<Native> {
    match operation {
        Operation::Chat | Operation::Models | Operation::Embeddings => None,
        Operation::Completions => Some(Native::Completions),
        Operation::Responses => Some(Native::Responses),
        Operation::Messages => Some(Native::Messages),
        Operation::CountTokens => Some(Native::CountTokens),
    }
}

/// Whether a provider can do this, by itself or with the host's help.
pub(super) fn can_do(provider: &Provider, operation: Operation) -> bool {
    let is_chat_too = matches!(
        operation,
        Operation::Completions | Operation::Responses | Operation::Messages | Operation::CountTokens
    );
    provider.supports(operation) || (is_chat_too && provider.supports(Operation::Chat))
}

/// The error of a provider that cannot do this.
pub(super) fn lacking(provider: &Provider, operation: Operation) -> Error {
    let message = format!("The provider `{}` does not offer `{}`.", provider.name(), operation.name());
    Error::new(Cause::Unsupported, message).with_param("model").with_code("unsupported_operation")
}

/// Those of the client's headers that the operator lets through to the provider.
fn forwarded_headers(headers: &HeaderMap, provider: &Provider) -> Vec<Header> {
    let mut forwarded = Vec::new();
    for name in provider.forward_headers() {
        for value in headers.get_all(name) {
            if let Ok(value) = value.to_str() {
                forwarded.push(Header { name: name.as_str().to_owned(), value: value.to_owned() });
            }
        }
    }
    forwarded
}
