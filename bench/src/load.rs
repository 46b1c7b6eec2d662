//! The load generator: asks for chat completions over its own connections, checks every answer, and tells what it saw.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// The longest that one answer may take before it counts as an error.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is to be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// Where to.
    pub address: SocketAddr,
    /// Which path.
    pub path: String,
    /// Which model, which also tells the upstream what to do.
    pub model: String,
    /// Whether to ask for a stream.
    pub stream: bool,
    /// How many connections at once, each with one request at a time.
    pub connections: usize,
    /// How many requests over all connections.
    pub requests: usize,
    /// How many requests a second over all connections; without it, as fast as they are answered.
    pub per_second: Option<f64>,
    /// How many content chunks a stream has to have at least.
    pub chunks: usize,
}

impl Task {
    /// So many unary requests, as fast as they are answered.
    pub fn unary(address: SocketAddr, model: &str, connections: usize, requests: usize) -> Self {
        let path = "/v1/chat/completions".to_owned();
        Self {
            address,
            path,
            model: model.to_owned(),
            stream: false,
            connections,
            requests,
            per_second: None,
            chunks: 0,
        }
    }

    /// The same at a fixed rate.
    #[must_use]
    pub fn at_rate(self, per_second: f64) -> Self {
        Self { per_second: Some(per_second), ..self }
    }

    /// The same as streams of so many chunks.
    #[must_use]
    pub fn streamed(self, chunks: usize) -> Self {
        Self { stream: true, chunks, ..self }
    }
}

/// What was seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Good answers.
    pub answers: usize,
    /// Requests that failed or were answered wrongly.
    pub errors: usize,
    /// The first error, in words.
    pub first_error: Option<String>,
    /// From the first request to the end of the last answer, in seconds.
    pub seconds: f64,
    /// The median time to a whole answer, in microseconds.
    pub p50_us: f64,
    /// Its 99th percentile, in microseconds.
    pub p99_us: f64,
    /// Events in all streams, without the last `[DONE]`.
    pub events: usize,
}

impl Seen {
    /// Fails unless every request was answered well.
    pub fn without_errors(self, what: &str) -> Result<Self> {
        if self.errors > 0 {
            bail!("{what}: {} of {} requests failed: {:?}", self.errors, self.errors + self.answers, self.first_error);
        }
        Ok(self)
    }
}

/// Does the task and tells what was seen.
pub async fn run(task: Task) -> Result<Seen> {
    let body = Bytes::from(document(&task.model, task.stream));
    let task = Arc::new(task);
    let left = Arc::new(AtomicUsize::new(task.requests));
    let mut senders = Vec::with_capacity(task.connections);
    for _ in 0..task.connections {
        senders.push(connect(task.address).await?);
    }
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for (index, sender) in senders.into_iter().enumerate() {
        workers.spawn(worker(task.clone(), index, sender, body.clone(), left.clone()));
    }
    let mut seen = Seen::default();
    let mut latencies = Vec::with_capacity(task.requests);
    while let Some(result) = workers.join_next().await {
        let part = result.context("a worker of the load generator died")?;
        latencies.extend(part.latencies);
        seen.errors += part.errors;
        seen.events += part.events;
        seen.first_error = seen.first_error.or(part.first_error);
    }
    seen.seconds = start.elapsed().as_secs_f64();
    seen.answers = latencies.len();
    latencies.sort_unstable();
    seen.p50_us = percentile(&latencies, 0.50);
    seen.p99_us = percentile(&latencies, 0.99);
    Ok(seen)
}

/// What one connection saw.
#[derive(Default)]
struct Part {
    latencies: Vec<Duration>,
    errors: usize,
    first_error: Option<String>,
    events: usize,
}

async fn worker(task: Arc<Task>, index: usize, sender: Sender, body: Bytes, left: Arc<AtomicUsize>) -> Part {
    let mut part = Part::default();
    let mut sender = Some(sender);
    let mut ticks = task.per_second.map(|rate| {
        let period = Duration::from_secs_f64(task.connections as f64 / rate);
        // The connections take turns, evenly.
        let first = tokio::time::Instant::now() + period.mul_f64((index + 1) as f64 / task.connections as f64);
        let mut ticks = tokio::time::interval_at(first, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        let start = Instant::now();
        let answered = async {
            let mut connection = match sender.take() {
                Some(sender) => sender,
                None => connect(task.address).await?,
            };
            let events = ask(&mut connection, &task, body.clone()).await?;
            sender = Some(connection);
            Ok::<_, anyhow::Error>(events)
        };
        match tokio::time::timeout(PATIENCE, answered).await.unwrap_or_else(|_| bail!("no answer in {PATIENCE:?}")) {
            Ok(events) => {
                part.latencies.push(start.elapsed());
                part.events += events;
            }
            Err(error) => {
                part.errors += 1;
                part.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
    part
}

type Sender = SendRequest<Full<Bytes>>;

async fn connect(address: SocketAddr) -> Result<Sender> {
    let socket = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    socket.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// One request and its whole answer: the number of events, 0 for a unary one.
async fn ask(sender: &mut Sender, task: &Task, body: Bytes) -> Result<usize> {
    sender.ready().await?;
    let request = Request::post(&task.path)
        .header(HOST, task.address.to_string())
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, body.len())
        .header("user-agent", "weir-bench")
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        bail!("{status}: {}", String::from_utf8_lossy(&body));
    }
    if task.stream { read_stream(response, task.chunks).await } else { read_document(response).await }
}

async fn read_document(response: Response<Incoming>) -> Result<usize> {
    let body = response.into_body().collect().await?.to_bytes();
    if body.len() < 500 || !body.ends_with(b"}") {
        bail!("not the answer: {}", String::from_utf8_lossy(&body));
    }
    Ok(0)
}

async fn read_stream(response: Response<Incoming>, chunks: usize) -> Result<usize> {
    let mut body = response.into_body();
    let mut events = 0;
    let mut tail: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        // An event ends with an empty line, which may be cut between two frames.
        let cut = tail.last() == Some(&b'\n') && data.first() == Some(&b'\n');
        events += usize::from(cut) + data.windows(2).filter(|pair| pair == b"\n\n").count();
        if data.len() >= 16 {
            tail.clear();
        }
        tail.extend_from_slice(&data[data.len().saturating_sub(16)..]);
    }
    // The floor passes on what the upstream of either dialect ends with.
    if !tail.ends_with(b"data: [DONE]\n\n") {
        bail!("the stream ended after {events} events with {:?}", String::from_utf8_lossy(&tail));
    }
    let events = events - 1;
    if events < chunks {
        bail!("the stream had {events} events of at least {chunks}");
    }
    Ok(events)
}

fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
}

/// A request of about 1 KB, as a small assistant sends it.
fn document(model: &str, stream: bool) -> String {
    let system = "You are a patient assistant for the operators of river works. Answer in plain words, name your \
                  sources, and say so when you do not know. Never invent a figure, and keep to metric units.";
    let first = "Our weir is 1.8 m high and 24 m wide. After the storm last week the water stood 40 cm over the crest \
                 for two days, and now there is gravel in the fish pass. What should we look at first?";
    let answer = "First close the fish pass and look at its lowest basins, then at the foot of the weir for scour. \
                  Measure the depth below the sill at three places and compare it with the last survey.";
    let second = "The depth is 35 cm more than last year on the left bank and the same in the middle. \
                  The next flood is due in about six weeks, and the only contractor with a long-reach excavator is free \
                  for two days next month. Is that urgent?";
    serde_json::json!({
        "model": model,
        "messages": [
            { "role": "system", "content": system },
            { "role": "user", "content": first },
            { "role": "assistant", "content": answer },
            { "role": "user", "content": second },
        ],
        "temperature": 0.7,
        "max_tokens": 256,
        "stream": stream,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_about_a_kilobyte() {
        let length = document("openai/fast", false).len();
        assert!((900..1_200).contains(&length), "{length}");
    }

    #[test]
    fn percentiles_of_few_and_many() {
        let millis: Vec<Duration> = (0..=100).map(Duration::from_millis).collect();
        assert!((percentile(&millis, 0.5) - 50_000.0).abs() < 1.0);
        assert!((percentile(&millis, 0.99) - 99_000.0).abs() < 1.0);
        assert!(percentile(&[], 0.5).abs() < f64::EPSILON);
    }
}
