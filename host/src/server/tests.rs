//! The server over real sockets. Where time matters the clock is [stopped](StoppedClock) and moved by hand.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::StatusCode;
use hyper::body::Frame;
use hyper::header::CONTENT_TYPE;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::error::Error;

mod http1;
mod http2;
mod lifetime;

type BoxError = Box<dyn StdError + Send + Sync>;

/// The bytes of the answer to `/large`: more than a socket's buffers take.
const LARGE: usize = 8_000_000;

/// What the handler has seen.
#[derive(Default)]
struct Seen {
    paths: Mutex<Vec<String>>,
    /// Signalled when a handler's future or body is dropped before its end.
    cancelled: Notify,
    /// Lets the `/wait` requests go on.
    release: Notify,
    /// Signalled when a request is in the handler.
    arrived: Notify,
    /// Bytes that `/endless` has given away.
    given: AtomicUsize,
}

#[derive(Clone, Default)]
struct Scripted(Arc<Seen>);

impl Handler for Scripted {
    type Body = BoxBody<Bytes, BoxError>;

    async fn call(&self, request: Request<Incoming>, peer: Peer) -> Response<Self::Body> {
        if let Some(refusal) = peer.refusal {
            return failure(refusal);
        }
        let path = request.uri().path().to_owned();
        self.0.paths.lock().unwrap().push(path.clone());
        self.0.arrived.notify_one();
        match path.as_str() {
            "/ignore" => text("ignored"),
            "/hang" => {
                let _guard = SignalOnDrop(Arc::clone(&self.0));
                let _ = request.into_body().collect().await;
                std::future::pending().await
            }
            "/wait" => {
                self.0.release.notified().await;
                text("waited")
            }
            "/panic" => panic!("as asked"),
            "/endless" => Response::new(Endless(SignalOnDrop(Arc::clone(&self.0))).boxed()),
            "/large" => text(&"x".repeat(LARGE)),
            "/turned-away" => text(&format!("{:?}", peer.turned_away)),
            "/tls" => text(if peer.tls { "yes" } else { "no" }),
            _ => match request.into_body().collect().await {
                Ok(body) => text(&format!("{} bytes", body.to_bytes().len())),
                Err(error) => Refusal::within(&error).map_or_else(|| text("cut off"), failure),
            },
        }
    }
}

fn text(text: &str) -> Response<BoxBody<Bytes, BoxError>> {
    Response::new(Full::new(Bytes::from(text.to_owned())).map_err(|never| match never {}).boxed())
}

fn failure(refusal: Refusal) -> Response<BoxBody<Bytes, BoxError>> {
    let error = Error::from(refusal);
    let mut response = text(&error.to_json());
    *response.status_mut() = error.status;
    response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    response
}

struct SignalOnDrop(Arc<Seen>);

impl Drop for SignalOnDrop {
    fn drop(&mut self) {
        self.0.cancelled.notify_one();
    }
}

/// A body that never ends and is always ready.
struct Endless(SignalOnDrop);

impl Body for Endless {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        static PIECE: [u8; 32 * 1024] = [b'x'; 32 * 1024];
        self.0.0.given.fetch_add(PIECE.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&PIECE)))))
    }
}

/// A server that is running.
struct Running {
    address: SocketAddr,
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Drained>,
}

impl Running {
    fn start(options: Options) -> Self {
        let handler = Scripted::default();
        let seen = Arc::clone(&handler.0);
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, options, handler, async {
            let _ = stopped.await;
        }));
        Self { address, seen, stop: Some(stop), task }
    }

    async fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).await.unwrap();
        // The kernel's clock cannot be stopped: no byte may wait for it.
        socket.set_nodelay(true).unwrap();
        socket
    }

    /// Sends these bytes on a connection of their own and returns all that comes back until its end.
    async fn talk(&self, bytes: &[u8]) -> String {
        let mut socket = self.connect().await;
        soon(socket.write_all(bytes)).await.unwrap();
        read_to_end(&mut socket).await
    }

    /// Waits until a request is in the handler.
    async fn arrival(&self) {
        soon(self.seen.arrived.notified()).await;
    }

    /// Waits until the future or the body of a handler is dropped before its end.
    async fn cancellation(&self) {
        soon(self.seen.cancelled.notified()).await;
    }

    /// The paths the handler was called with since the last time.
    fn paths(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.paths.lock().unwrap())
    }

    fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

/// Fails a test that would wait for ever. This is longer than all time-outs, for the tests that move the clock.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(200), future).await.expect("it takes too long")
}

/// A clock that moves only by hand. Tokio's paused clock by itself jumps to the next timer whenever the sockets are
/// waited for, but not while there is blocking work.
struct StoppedClock {
    _ends_the_work: std::sync::mpsc::Sender<()>,
}

impl StoppedClock {
    fn new() -> Self {
        tokio::time::pause();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        Self { _ends_the_work: sender }
    }

    /// Moves the clock in small steps until the future is ready. Returns how long that took, give or take a second,
    /// and what came of it.
    async fn run<T>(&self, future: impl Future<Output = T>) -> (Duration, T) {
        let start = Instant::now();
        let mut future = pin!(future);
        loop {
            // Everything that can happen without time passing comes first.
            for _ in 0..10 {
                if let Some(output) = futures_util::future::poll_immediate(&mut future).await {
                    return (start.elapsed(), output);
                }
                tokio::task::yield_now().await;
            }
            assert!(start.elapsed() < Duration::from_secs(1000), "it takes too long");
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    }

    /// Lets time pass.
    async fn pass(&self, duration: Duration) {
        self.run(tokio::time::sleep(duration)).await;
    }
}

/// Whether two durations are about the same.
fn is_about(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) <= Duration::from_secs(1)
}

/// Everything up to the end of the stream, which must be an orderly one.
async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    soon(socket.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// One answer that has a length.
async fn read_answer(socket: &mut TcpStream) -> String {
    let mut answer = String::new();
    loop {
        if let Some((head, body)) = answer.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return answer;
            }
        }
        let mut buffer = [0; 4096];
        let read = soon(socket.read(&mut buffer)).await.unwrap();
        assert!(read > 0, "the connection ended within an answer: {answer:?}");
        answer.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

fn statuses(answers: &str) -> Vec<u16> {
    let status = |part: &str| part.get(..3).and_then(|digits| digits.parse().ok());
    answers.split("HTTP/1.1 ").filter_map(status).collect()
}
