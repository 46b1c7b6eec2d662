//! The scripted upstream: speaks the OpenAI and the Anthropic wire format, as fast as it is asked to.
//!
//! The model's name is the script: `fast` streams 64 chunks without a pause, each flushed by itself;
//! `paced-5ms-64` streams 64 chunks, one every 5 ms. Unary answers are about 1 KB and come at once.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// How many content chunks a stream has, unless the model says otherwise.
pub const CHUNKS: usize = 64;

const WORDS: &str = "A weir is a low barrier across a river that raises the water a little and lets it pass over. ";

type Answer = Response<Either<Full<Bytes>, Script>>;

/// Serves on a free port of loopback, printed as the first line, until the process is ended.
pub async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
            // A gateway that goes away in the middle is no news here.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

/// What the script depends on.
#[derive(Deserialize)]
struct Asked {
    model: String,
    #[serde(default)]
    stream: bool,
}

async fn answer(request: Request<Incoming>) -> Answer {
    let dialect = if request.uri().path().ends_with("/messages") { Dialect::Anthropic } else { Dialect::OpenAi };
    let Ok(body) = request.into_body().collect().await else { return refusal() };
    let Ok(asked) = serde_json::from_slice::<Asked>(&body.to_bytes()) else { return refusal() };
    let mut response = if asked.stream {
        let (pause, chunks) = pace(&asked.model);
        Response::new(Either::Right(Script::new(dialect.events(chunks), pause)))
    } else {
        Response::new(Either::Left(Full::new(Bytes::from(dialect.document()))))
    };
    let kind = if asked.stream { "text/event-stream" } else { "application/json" };
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

fn refusal() -> Answer {
    let text = r#"{"error":{"message":"not a request","type":"invalid_request_error","param":null,"code":null}}"#;
    let mut response = Response::new(Either::Left(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// The pause between chunks and their number, as the model's name says: `paced-5ms-64`.
fn pace(model: &str) -> (Option<Duration>, usize) {
    let read = || {
        let (pause, chunks) = model.strip_prefix("paced-")?.split_once("ms-")?;
        Some((Some(Duration::from_millis(pause.parse().ok()?)), chunks.parse().ok()?))
    };
    read().unwrap_or((None, CHUNKS))
}

#[derive(Clone, Copy)]
enum Dialect {
    OpenAi,
    Anthropic,
}

impl Dialect {
    /// A whole answer of about 1 KB.
    fn document(self) -> String {
        let text = WORDS.repeat(7);
        match self {
            Self::OpenAi => format!(
                r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"fast-2026-01-01","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":180,"completion_tokens":140,"total_tokens":320,"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0}}}},"service_tier":"default","system_fingerprint":"fp_1"}}"#
            ),
            Self::Anthropic => format!(
                r#"{{"id":"msg_1","type":"message","role":"assistant","model":"fast-2026-01-01","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":180,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":140,"service_tier":"standard"}}}}"#
            ),
        }
    }

    /// The events of a stream with so many content chunks, in wire form.
    fn events(self, chunks: usize) -> Vec<Bytes> {
        let words: Vec<&str> = WORDS.split_inclusive(' ').collect();
        let contents = words.iter().cycle().take(chunks);
        let (before, after) = (self.opening(), self.closing());
        let contents = contents.map(|word| self.content(word));
        before.into_iter().chain(contents).chain(after).map(Bytes::from).collect()
    }

    fn opening(self) -> Vec<String> {
        match self {
            Self::OpenAi => vec![chunk(r#"{"role":"assistant","content":"","refusal":null}"#, "null")],
            Self::Anthropic => vec![
                event(
                    "message_start",
                    r#""message":{"id":"msg_1","type":"message","role":"assistant","model":"fast-2026-01-01","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":180,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}"#,
                ),
                event("content_block_start", r#""index":0,"content_block":{"type":"text","text":""}"#),
            ],
        }
    }

    fn content(self, word: &str) -> String {
        match self {
            Self::OpenAi => chunk(&format!(r#"{{"content":"{word}"}}"#), "null"),
            Self::Anthropic => {
                event("content_block_delta", &format!(r#""index":0,"delta":{{"type":"text_delta","text":"{word}"}}"#))
            }
        }
    }

    fn closing(self) -> Vec<String> {
        match self {
            Self::OpenAi => vec![chunk("{}", "\"stop\""), "data: [DONE]\n\n".to_owned()],
            Self::Anthropic => vec![
                event("content_block_stop", r#""index":0"#),
                event(
                    "message_delta",
                    r#""delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":140}"#,
                ),
                event("message_stop", ""),
            ],
        }
    }
}

fn chunk(delta: &str, finish_reason: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"fast-2026-01-01\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_1\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish_reason}}}]}}\n\n"
    )
}

fn event(name: &str, fields: &str) -> String {
    let mut text = format!("event: {name}\ndata: {{\"type\":\"{name}\"");
    if !fields.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, ",{fields}");
    }
    text + "}\n\n"
}

/// A body that sends one event a frame, each in a write of its own, with a pause between them or none.
struct Script {
    events: Arc<[Bytes]>,
    next: usize,
    interval: Option<Interval>,
    /// Whether the frame before has been flushed. Hyper flushes when a body has nothing more for now.
    flushed: bool,
}

impl Script {
    fn new(events: Vec<Bytes>, pause: Option<Duration>) -> Self {
        let interval = pause.map(|pause| {
            let mut interval = tokio::time::interval_at(Instant::now() + pause, pause);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        Self { events: events.into(), next: 0, interval, flushed: true }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(event) = self.events.get(self.next).cloned() else { return Poll::Ready(None) };
        if let Some(interval) = &mut self.interval {
            if interval.poll_tick(context).is_pending() {
                return Poll::Pending;
            }
        } else if !self.flushed {
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.flushed = false;
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(event))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_model_sets_the_pace() {
        assert_eq!(pace("fast"), (None, CHUNKS));
        assert_eq!(pace("paced-5ms-10"), (Some(Duration::from_millis(5)), 10));
        assert_eq!(pace("paced-ms"), (None, CHUNKS));
    }

    #[test]
    fn what_is_sent_is_json_of_about_a_kilobyte_and_events_of_json() -> Result<()> {
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            let document = dialect.document();
            serde_json::from_str::<serde_json::Value>(&document)?;
            assert!((900..1_300).contains(&document.len()), "{}", document.len());
            let events = dialect.events(CHUNKS);
            assert!(events.len() >= CHUNKS);
            for event in events {
                let text = String::from_utf8_lossy(&event).into_owned();
                let data = text.split("data: ").nth(1).unwrap_or_default().trim_end();
                if data != "[DONE]" {
                    serde_json::from_str::<serde_json::Value>(data)?;
                }
            }
        }
        Ok(())
    }
}
