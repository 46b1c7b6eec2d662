//! One block of a streamed message: what has come of it and what of that was told.

use bytes::BytesMut;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::balance::Balance;
use super::event;
use crate::dialect::messages::canonical::{body, text};
use crate::dialect::messages::reply::{Block, Input};

/// A block in the queue.
pub(super) struct Queued {
    pub(super) kind: Kind,
    started: bool,
    /// What is to be told, as the body of a JSON string.
    pub(super) waiting: String,
    /// Citations to be told, of a text.
    pub(super) citations: Vec<Value>,
}

/// What a block is.
pub(super) enum Kind {
    Text,
    Thinking {
        /// The body of a JSON string. Clients do not join signatures, so that it is told at the end, in one piece.
        signature: String,
        /// Whether its text comes as reasoning, so that thinking blocks only repeat it.
        spoken: bool,
        /// Which of the thinking blocks it is, once that is known.
        index: Option<u64>,
    },
    Redacted {
        data: String,
    },
    Call {
        index: u64,
        id: String,
        name: String,
        extra_content: Option<Box<RawValue>>,
        balance: Balance,
    },
}

impl Kind {
    /// A call without arguments yet.
    pub(super) fn call(index: u64, id: String, name: String) -> Self {
        Self::Call { index, id, name, extra_content: None, balance: Balance::default() }
    }
}

impl Queued {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, started: false, waiting: String::new(), citations: Vec::new() }
    }

    /// Adds text, as the body of a JSON string.
    pub(super) fn add(&mut self, text: &str) {
        self.waiting.push_str(text);
    }

    pub(super) fn is_call(&self, number: u64) -> bool {
        matches!(&self.kind, Kind::Call { index, .. } if *index == number)
    }

    /// Keeps the signature of a call, to be told with the call's start.
    pub(super) fn sign(&mut self, signature: Option<&RawValue>) {
        if let (Kind::Call { extra_content, .. }, Some(signature)) = (&mut self.kind, signature) {
            *extra_content = Some(signature.to_owned());
        }
    }

    /// Adds arguments to a call.
    pub(super) fn add_arguments(&mut self, arguments: Option<&RawValue>) {
        let Kind::Call { balance, .. } = &mut self.kind else { return };
        if let Some(text) = text(arguments) {
            balance.add(&text);
        }
        self.waiting.push_str(body(arguments).unwrap_or_default());
    }

    /// Whether nothing can be added once another block has begun.
    pub(super) fn is_complete(&self) -> bool {
        match &self.kind {
            Kind::Call { balance, .. } => balance.is_complete(),
            Kind::Text | Kind::Thinking { .. } | Kind::Redacted { .. } => true,
        }
    }

    /// Tells what is not told yet, from the start on.
    pub(super) fn tell(&mut self, number: u64, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.started, true) {
            let start = self.start();
            event(
                out,
                "content_block_start",
                format_args!(r#"{{"type":"content_block_start","index":{number},"content_block":{start}}}"#),
            );
        }
        if !self.waiting.is_empty() && self.can_be_told() {
            let (kind, field) = match &self.kind {
                Kind::Text => ("text_delta", "text"),
                Kind::Thinking { .. } => ("thinking_delta", "thinking"),
                Kind::Redacted { .. } | Kind::Call { .. } => ("input_json_delta", "partial_json"),
            };
            delta(out, number, kind, field, format_args!("\"{}\"", self.waiting));
            self.waiting.clear();
        }
        for citation in self.citations.drain(..) {
            delta(out, number, "citations_delta", "citation", format_args!("{citation}"));
        }
    }

    /// Whether what waits can go out: the arguments of a call once they are an object, because clients act on what
    /// they get without looking.
    fn can_be_told(&self) -> bool {
        match &self.kind {
            Kind::Call { balance, .. } => balance.is_object(),
            Kind::Text | Kind::Thinking { .. } | Kind::Redacted { .. } => true,
        }
    }

    /// Tells that this was all.
    pub(super) fn stop(self, number: u64, out: &mut BytesMut) {
        match &self.kind {
            Kind::Thinking { signature, .. } if !signature.is_empty() => {
                delta(out, number, "signature_delta", "signature", format_args!("\"{signature}\""));
            }
            Kind::Call { .. } if !self.waiting.is_empty() => {
                let arguments: String = serde_json::from_str(&format!("\"{}\"", self.waiting)).unwrap_or_default();
                if let input @ Input::Invalid(_) = Input::of(&arguments) {
                    let input = json!(json!(input).to_string());
                    delta(out, number, "input_json_delta", "partial_json", format_args!("{input}"));
                }
            }
            _ => {}
        }
        event(out, "content_block_stop", format_args!(r#"{{"type":"content_block_stop","index":{number}}}"#));
    }

    /// The block as it starts: empty, but for what has no deltas.
    fn start(&self) -> Value {
        match &self.kind {
            Kind::Text => json!(Block::Text { text: "".into(), citations: Vec::new(), extra_content: None }),
            Kind::Thinking { .. } => json!(Block::Thinking { thinking: "".into(), signature: "".into() }),
            Kind::Redacted { data } => json!(Block::RedactedThinking { data: data.into() }),
            Kind::Call { id, name, extra_content, .. } => json!(Block::ToolUse {
                id: id.into(),
                name: name.into(),
                input: Input::Empty,
                extra_content: extra_content.as_deref(),
            }),
        }
    }
}

fn delta(out: &mut BytesMut, number: u64, kind: &str, field: &str, value: std::fmt::Arguments<'_>) {
    event(
        out,
        "content_block_delta",
        format_args!(
            r#"{{"type":"content_block_delta","index":{number},"delta":{{"type":"{kind}","{field}":{value}}}}}"#
        ),
    );
}
