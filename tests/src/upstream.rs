//! A provider that does exactly what a test tells it to: a TCP server with a script for each request, and a record of
//! everything that it was sent.
//!
//! It reads requests by the book (a head, then a body by `content-length` or chunks) and writes whatever the script
//! says, however wrong.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::bounded;
use crate::script::{Script, Step};

/// A request as an upstream received it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The number of the connection that it came by, from 0.
    pub connection: usize,
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Bytes,
}

impl Recorded {
    /// The value of a header, if there is exactly one or the first of several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the upstream was sent JSON")
    }

    /// Whether the body asks for a stream.
    #[must_use]
    pub fn wants_stream(&self) -> bool {
        serde_json::from_slice::<Value>(&self.body).is_ok_and(|body| body["stream"] == Value::Bool(true))
    }
}

/// A scripted upstream on a port of its own. Dropping it closes everything.
pub struct Upstream {
    address: SocketAddr,
    records: Arc<Records>,
    accepting: JoinHandle<()>,
}

type Choose = dyn Fn(usize, &Recorded) -> Script + Send + Sync;

#[derive(Default)]
struct Records {
    requests: Mutex<Vec<Recorded>>,
    /// Whether requests are only counted, as there will be too many.
    forgets: AtomicBool,
    /// How many requests scripts were chosen for.
    turns: AtomicUsize,
    /// How many requests have come.
    received: watch::Sender<usize>,
    /// How many connections the peer has opened.
    opened: watch::Sender<usize>,
    /// How many of them the peer has closed.
    left: watch::Sender<usize>,
    /// How many connections have ended, whoever closed them.
    ended: AtomicUsize,
    /// How many bytes of floods were taken by the socket.
    flooded: AtomicU64,
}

impl Records {
    /// Takes note of a request. Returns its number, from 0.
    fn note(&self, request: &Recorded) -> usize {
        if self.forgets.load(Ordering::Relaxed) {
            return self.turns.fetch_add(1, Ordering::Relaxed);
        }
        // Within the lock, so that the numbers are those of the places.
        let mut all = self.requests.lock().expect("no test panics while it records");
        all.push(request.clone());
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that the peer has left, whether reading or writing found out first.
    fn count_leaving(&self, gone: &watch::Sender<bool>) {
        if !gone.send_replace(true) {
            self.left.send_modify(|left| *left += 1);
        }
    }
}

impl Upstream {
    /// Starts an upstream that follows the first script for the first request, and so on; the last one repeats.
    pub async fn start(scripts: Vec<Script>) -> Self {
        assert!(!scripts.is_empty(), "an upstream needs a script");
        Self::choosing(move |number, _| scripts[number.min(scripts.len() - 1)].clone()).await
    }

    /// Starts an upstream that follows the same script for each request.
    pub async fn always(script: Script) -> Self {
        Self::start(vec![script]).await
    }

    /// Starts an upstream that chooses a script by the number of the request (from 0) and the request itself.
    pub async fn choosing(choose: impl Fn(usize, &Recorded) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let records = Arc::new(Records::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&records), Arc::new(choose)));
        Self { address, records, accepting }
    }

    /// The same, and it does not keep the requests that it gets: for loads that would fill the memory.
    #[must_use]
    pub fn forgetful(self) -> Self {
        self.records.forgets.store(true, Ordering::Relaxed);
        self
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.records.requests.lock().expect("no test panics while it records").clone()
    }

    /// How many requests there were so far.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.records.turns.load(Ordering::Relaxed)
    }

    /// The only request so far; fails if there are none or several.
    #[must_use]
    pub fn only_request(&self) -> Recorded {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "the upstream should have got exactly one request");
        requests.remove(0)
    }

    /// Waits until `count` requests have come.
    pub async fn received(&self, count: usize) {
        let mut received = self.records.received.subscribe();
        let _ = bounded(&format!("request {count} at the upstream"), received.wait_for(|seen| *seen >= count)).await;
    }

    /// How many connections were opened.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.records.opened.borrow()
    }

    /// How many of them are open yet.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.connections().saturating_sub(self.records.ended.load(Ordering::Relaxed))
    }

    /// Waits until the peer has closed `count` connections.
    pub async fn left(&self, count: usize) {
        let mut left = self.records.left.subscribe();
        let _ = left.wait_for(|seen| *seen >= count).await;
    }

    /// How many bytes of [`Step::Flood`] went out.
    #[must_use]
    pub fn flooded(&self) -> u64 {
        self.records.flooded.load(Ordering::Relaxed)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, records: Arc<Records>, choose: Arc<Choose>) {
    // The connections end with the set, and the set with this task.
    let mut connections = JoinSet::new();
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        records.opened.send_modify(|opened| *opened += 1);
        connections.spawn(serve(stream, number, Arc::clone(&records), Arc::clone(&choose)));
        number += 1;
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, number: usize, records: Arc<Records>, choose: Arc<Choose>) {
    let _ = stream.set_nodelay(true);
    let (reading, mut writing) = stream.into_split();
    let (sender, mut requests) = mpsc::unbounded_channel();
    // Reading goes on while the script writes: that is how a peer that leaves is noticed at once.
    let gone = watch::Sender::new(false);
    let reader = JoinOnDrop(tokio::spawn(read_requests(reading, number, sender, gone.clone(), Arc::clone(&records))));
    while let Some(request) = requests.recv().await {
        let turn = records.note(&request);
        let script = choose(turn, &request);
        records.received.send_modify(|received| *received += 1);
        match play(script, &mut writing, gone.subscribe(), &records).await {
            Outcome::Next => {}
            Outcome::Close => break,
            Outcome::Gone => {
                records.count_leaving(&gone);
                break;
            }
            Outcome::Reset => {
                let _ = socket2::SockRef::from(writing.as_ref()).set_linger(Some(Duration::ZERO));
                break;
            }
        }
    }
    reader.stop().await;
    // Dropping the write half alone would send FIN; dropping it after the reader closes the socket.
    drop(writing);
    records.ended.fetch_add(1, Ordering::Relaxed);
}

enum Outcome {
    Next,
    Close,
    Reset,
    /// The peer has left.
    Gone,
}

async fn play(
    script: Script,
    writing: &mut OwnedWriteHalf,
    mut gone: watch::Receiver<bool>,
    records: &Records,
) -> Outcome {
    for step in script {
        let done = match step {
            Step::Write(bytes) => writing.write_all(&bytes).await,
            Step::Chunk(bytes) => write_chunk(writing, &bytes).await,
            Step::LastChunk => writing.write_all(b"0\r\n\r\n").await,
            Step::Trickle(bytes) => trickle(writing, &bytes).await,
            Step::Drip(byte, pause) => drip(writing, byte, pause).await,
            Step::Flood(bytes) => flood(writing, &bytes, &records.flooded).await,
            Step::Wait(gate) => {
                tokio::select! {
                    () = gate.passed() => {}
                    _ = gone.wait_for(|gone| *gone) => return Outcome::Gone,
                }
                Ok(())
            }
            Step::Hang => {
                let _ = gone.wait_for(|gone| *gone).await;
                return Outcome::Gone;
            }
            Step::Close => return Outcome::Close,
            Step::Reset => return Outcome::Reset,
        };
        if done.is_err() {
            return Outcome::Gone;
        }
    }
    Outcome::Next
}

async fn write_chunk(writing: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    writing.write_all(&framed).await
}

async fn trickle(writing: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        writing.write_all(&[*byte]).await?;
        // Gives the other side a chance to read before the next byte joins this one in its buffer.
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn drip(writing: &mut OwnedWriteHalf, byte: u8, pause: Duration) -> std::io::Result<()> {
    // The pause is what is being tested here: an upstream that is slow, not a test that waits.
    let mut clock = tokio::time::interval(pause);
    loop {
        clock.tick().await;
        write_chunk(writing, &[byte]).await?;
    }
}

async fn flood(writing: &mut OwnedWriteHalf, bytes: &[u8], flooded: &AtomicU64) -> std::io::Result<()> {
    loop {
        write_chunk(writing, bytes).await?;
        flooded.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

/// A reader that is stopped, and whose half of the socket is closed, before its owner goes on.
struct JoinOnDrop(JoinHandle<()>);

impl JoinOnDrop {
    async fn stop(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for JoinOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read_requests(
    mut reading: OwnedReadHalf,
    connection: usize,
    sender: mpsc::UnboundedSender<Recorded>,
    gone: watch::Sender<bool>,
    records: Arc<Records>,
) {
    let mut buffer = BytesMut::new();
    while let Some(request) = read_request(&mut reading, &mut buffer, connection).await {
        if sender.send(request).is_err() {
            break;
        }
    }
    records.count_leaving(&gone);
}

async fn read_request(reading: &mut OwnedReadHalf, buffer: &mut BytesMut, connection: usize) -> Option<Recorded> {
    let end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end;
        }
        fill(reading, buffer).await?;
    };
    let head = buffer.split_to(end + 4);
    let head = String::from_utf8_lossy(&head[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Recorded { connection, method, path, headers, body: Bytes::new() };
    request.body = if request.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        read_chunks(reading, buffer).await?
    } else {
        let length = request.header("content-length").map_or(0, |length| length.parse().expect("a length is a number"));
        read_exactly(reading, buffer, length).await?
    };
    Some(request)
}

async fn read_chunks(reading: &mut OwnedReadHalf, buffer: &mut BytesMut) -> Option<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let end = loop {
            if let Some(end) = find(buffer, b"\r\n") {
                break end;
            }
            fill(reading, buffer).await?;
        };
        let line = buffer.split_to(end + 2);
        let size = usize::from_str_radix(std::str::from_utf8(&line[..end]).ok()?.split(';').next()?.trim(), 16).ok()?;
        let piece = read_exactly(reading, buffer, size + 2).await?;
        if size == 0 {
            return Some(body.freeze());
        }
        body.extend_from_slice(&piece[..size]);
    }
}

async fn read_exactly(reading: &mut OwnedReadHalf, buffer: &mut BytesMut, length: usize) -> Option<Bytes> {
    while buffer.len() < length {
        fill(reading, buffer).await?;
    }
    Some(buffer.split_to(length).freeze())
}

/// Reads more. `None` at the end of the connection.
async fn fill(reading: &mut OwnedReadHalf, buffer: &mut BytesMut) -> Option<()> {
    match reading.read_buf(buffer).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
