//! What upstreams say, in each of the two wire formats: answers, streams, tool calls and errors with the same meaning,
//! so that one table of cases runs against both.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::reply;
use crate::script::Script;
use crate::upstream::Recorded;

/// A wire format, spoken to through the plugin of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Chat Completions.
    OpenAi,
    /// Messages.
    Anthropic,
}

/// How many tokens every scripted answer says that the prompt had.
pub const PROMPT_TOKENS: u64 = 11;
/// How many tokens every scripted answer says that it has.
pub const COMPLETION_TOKENS: u64 = 7;

/// A tool call in a scripted answer: id, name, arguments.
pub type Call<'a> = (&'a str, &'a str, Value);

impl Dialect {
    /// Both.
    pub const ALL: [Self; 2] = [Self::OpenAi, Self::Anthropic];

    /// The plugin that speaks it, which is also the name of the provider in a test's configuration.
    #[must_use]
    pub fn plugin(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// The base URL of a provider at this address.
    #[must_use]
    pub fn base_url(self, address: SocketAddr) -> String {
        match self {
            Self::OpenAi => format!("http://{address}/v1"),
            Self::Anthropic => format!("http://{address}"),
        }
    }

    /// The path of a chat request at the upstream.
    #[must_use]
    pub fn chat_path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/chat/completions",
            Self::Anthropic => "/v1/messages",
        }
    }

    /// The header that carries the credential, and its value for a secret.
    #[must_use]
    pub fn credential(self, secret: &str) -> (&'static str, String) {
        match self {
            Self::OpenAi => ("authorization", format!("Bearer {secret}")),
            Self::Anthropic => ("x-api-key", secret.to_owned()),
        }
    }

    /// A script that answers whatever is asked with a text, streamed in two pieces if a stream is asked for.
    pub fn answering(self, text: &'static str) -> impl Fn(usize, &Recorded) -> Script + Send + Sync {
        let half = text.len() / 2;
        let half = (half..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        move |_, request| {
            if request.wants_stream() {
                reply::stream(&self.text_stream(&[&text[..half], &text[half..]]))
            } else {
                reply::json(200, &self.answer(text))
            }
        }
    }

    /// A whole answer with a text.
    #[must_use]
    pub fn answer(self, text: &str) -> Value {
        match self {
            Self::OpenAi => openai_answer(json!({ "role": "assistant", "content": text }), "stop"),
            Self::Anthropic => anthropic_answer(json!([{ "type": "text", "text": text }]), "end_turn"),
        }
    }

    /// A whole answer with tool calls.
    #[must_use]
    pub fn tool_answer(self, calls: &[Call<'_>]) -> Value {
        match self {
            Self::OpenAi => {
                let calls: Vec<_> = calls.iter().map(|(id, name, arguments)| json!({
                    "id": id, "type": "function", "function": { "name": name, "arguments": arguments.to_string() },
                })).collect();
                openai_answer(json!({ "role": "assistant", "content": null, "tool_calls": calls }), "tool_calls")
            }
            Self::Anthropic => {
                let blocks: Vec<_> = calls
                    .iter()
                    .map(|(id, name, arguments)| {
                        json!({
                            "type": "tool_use", "id": id, "name": name, "input": arguments,
                        })
                    })
                    .collect();
                anthropic_answer(json!(blocks), "tool_use")
            }
        }
    }

    /// The events of a whole stream with a text in these pieces, and with usage.
    #[must_use]
    pub fn text_stream(self, pieces: &[&str]) -> Vec<String> {
        let mut events = self.opening();
        events.extend(pieces.iter().map(|piece| self.piece(piece)));
        events.extend(self.closing());
        events
    }

    /// The events before the first piece of text.
    #[must_use]
    pub fn opening(self) -> Vec<String> {
        match self {
            Self::OpenAi => vec![openai_delta(&json!({ "role": "assistant", "content": "" }), None)],
            Self::Anthropic => vec![
                anthropic_start(),
                anthropic_event(&json!({
                    "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" },
                })),
                anthropic_event(&json!({ "type": "ping" })),
            ],
        }
    }

    /// The event of one piece of text.
    #[must_use]
    pub fn piece(self, text: &str) -> String {
        match self {
            Self::OpenAi => openai_delta(&json!({ "content": text }), None),
            Self::Anthropic => anthropic_event(&json!({
                "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text },
            })),
        }
    }

    /// The events after the last piece of text, the finish reason first.
    #[must_use]
    pub fn closing(self) -> Vec<String> {
        match self {
            Self::OpenAi => vec![openai_delta(&json!({}), Some("stop")), openai_usage(), "data: [DONE]\n\n".to_owned()],
            Self::Anthropic => {
                let mut events = vec![anthropic_event(&json!({ "type": "content_block_stop", "index": 0 }))];
                events.extend(anthropic_end("end_turn"));
                events
            }
        }
    }

    /// The events of a whole stream with tool calls. The arguments come in pieces of a few letters; a call without
    /// arguments is streamed as the upstream streams it, without any.
    #[must_use]
    pub fn tool_stream(self, calls: &[Call<'_>]) -> Vec<String> {
        match self {
            Self::OpenAi => openai_tool_stream(calls),
            Self::Anthropic => anthropic_tool_stream(calls),
        }
    }

    /// The body of an error. `kind` is the upstream's own type of error.
    #[must_use]
    pub fn error(self, kind: &str, message: &str) -> Value {
        match self {
            Self::OpenAi => json!({ "error": { "message": message, "type": kind, "param": null, "code": null } }),
            Self::Anthropic => json!({
                "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_upstream",
            }),
        }
    }

    /// The event of an error inside a stream.
    #[must_use]
    pub fn error_event(self, kind: &str, message: &str) -> String {
        match self {
            Self::OpenAi => format!("data: {}\n\n", self.error(kind, message)),
            Self::Anthropic => anthropic_event(&self.error(kind, message)),
        }
    }
}

fn openai_answer(message: Value, finish_reason: &str) -> Value {
    json!({
        "id": "chatcmpl-upstream", "object": "chat.completion", "created": 1_763_000_000, "model": "m1-2026",
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason }],
        "usage": openai_usage_object(), "system_fingerprint": "fp_1",
    })
}

fn openai_usage_object() -> Value {
    json!({
        "prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS,
        "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    })
}

fn openai_chunk(choices: &Value, usage: &Value) -> String {
    let chunk = json!({
        "id": "chatcmpl-upstream", "object": "chat.completion.chunk", "created": 1_763_000_000, "model": "m1-2026",
        "choices": choices, "usage": usage,
    });
    format!("data: {chunk}\n\n")
}

fn openai_delta(delta: &Value, finish_reason: Option<&str>) -> String {
    openai_chunk(&json!([{ "index": 0, "delta": delta, "finish_reason": finish_reason }]), &Value::Null)
}

fn openai_usage() -> String {
    openai_chunk(&json!([]), &openai_usage_object())
}

fn openai_tool_stream(calls: &[Call<'_>]) -> Vec<String> {
    let mut events = vec![openai_delta(&json!({ "role": "assistant", "content": null }), None)];
    for (index, (id, name, arguments)) in calls.iter().enumerate() {
        let first = json!({
            "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": "" },
        });
        events.push(openai_delta(&json!({ "tool_calls": [first] }), None));
        for piece in pieces(&arguments.to_string()) {
            let next = json!({ "index": index, "function": { "arguments": piece } });
            events.push(openai_delta(&json!({ "tool_calls": [next] }), None));
        }
    }
    events.push(openai_delta(&json!({}), Some("tool_calls")));
    events.extend([openai_usage(), "data: [DONE]\n\n".to_owned()]);
    events
}

fn anthropic_answer(content: Value, stop_reason: &str) -> Value {
    json!({
        "id": "msg_upstream", "type": "message", "role": "assistant", "model": "m1-2026", "content": content,
        "stop_reason": stop_reason, "stop_sequence": null,
        "usage": { "input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS },
    })
}

fn anthropic_event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

fn anthropic_start() -> String {
    anthropic_event(&json!({ "type": "message_start", "message": {
        "id": "msg_upstream", "type": "message", "role": "assistant", "model": "m1-2026", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": PROMPT_TOKENS, "output_tokens": 1 },
    } }))
}

fn anthropic_end(stop_reason: &str) -> [String; 2] {
    [
        anthropic_event(&json!({
            "type": "message_delta", "delta": { "stop_reason": stop_reason, "stop_sequence": null },
            "usage": { "output_tokens": COMPLETION_TOKENS },
        })),
        anthropic_event(&json!({ "type": "message_stop" })),
    ]
}

fn anthropic_tool_stream(calls: &[Call<'_>]) -> Vec<String> {
    let mut events = vec![anthropic_start()];
    for (index, (id, name, arguments)) in calls.iter().enumerate() {
        let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
        events.push(anthropic_event(&json!({
            "type": "content_block_start", "index": index, "content_block": block,
        })));
        let text = if *arguments == json!({}) { String::new() } else { arguments.to_string() };
        for piece in pieces(&text) {
            let delta = json!({ "type": "input_json_delta", "partial_json": piece });
            events.push(anthropic_event(&json!({ "type": "content_block_delta", "index": index, "delta": delta })));
        }
        events.push(anthropic_event(&json!({ "type": "content_block_stop", "index": index })));
    }
    events.extend(anthropic_end("tool_use"));
    events
}

/// A text in pieces of five letters.
fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<_> = text.chars().collect();
    letters.chunks(5).map(|piece| piece.iter().collect()).collect()
}
