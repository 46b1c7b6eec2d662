//! What stands between the sockets and the HTTP API: accepting, TLS, HTTP/1.1 and HTTP/2, limits, time-outs, drain.
//!
//! It knows nothing of LLMs, of keys or of routes: a [`Handler`] answers the requests. What it does promise a handler:
//! every request is well-formed in one sense only (see `framing`); the handler's future and its body are dropped
//! soon after the client leaves or stops reading; and nothing that one client does costs more than bounded memory.
//!
//! The way of a connection: [`serve`] accepts it, `connection` drives it, `guarded` lies between its socket and
//! hyper, and `answer` wraps what the handler returns.

mod answer;
mod connection;
mod deadline;
mod exchange;
mod framing;
mod guarded;
mod refusal;
#[cfg(test)]
mod tests;
mod tls;
mod workers;

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{error, warn};

use self::connection::Shared;
pub use self::refusal::Refusal;
pub use self::tls::{Tls, TlsError};
pub use self::workers::Workers;
use crate::error::{Cause, Error};
use crate::telemetry::Connections as Counted;

/// How a server treats its connections. All limits are per connection where nothing else is said.
#[derive(Debug, Clone)]
pub struct Options {
    /// The threads that connections are served on. Without any: the runtime that [`serve`] is called in.
    pub workers: Workers,
    /// Where connections are counted, if anywhere.
    pub counted: Option<Counted>,
    /// Speak TLS, and only TLS.
    pub tls: Option<Tls>,
    /// The most bytes of a request's head; more is answered with 431.
    pub header_bytes: usize,
    /// The most header lines of an HTTP/1 request; more is answered with 431.
    pub headers: usize,
    /// The most connections at a time. Those beyond get a 503 at once (with TLS: are closed), so that a client can go
    /// elsewhere instead of waiting in a queue that nobody sees.
    pub connections: usize,
    /// The most requests at a time on one HTTP/2 connection.
    pub streams: u32,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a client may take to send its first byte, and from the first byte of a head to its last. The latter is
    /// answered with 408.
    pub header_timeout: Duration,
    /// The longest pause within an HTTP/1 request's body. After it, reading the body fails with a [`Refusal`] of 408.
    /// How long the whole body may take, and any time of an HTTP/2 body, is for the handler to limit.
    pub body_timeout: Duration,
    /// How long a connection may be open without a request.
    pub keep_alive: Duration,
    /// How long a client may let bytes wait that are there for it, before it is disconnected. With HTTP/2 only the
    /// stream is reset.
    pub write_timeout: Duration,
    /// How long requests in flight may go on after the shutdown was asked for.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: Workers::default(),
            counted: None,
            tls: None,
            header_bytes: 64 * 1024,
            headers: 100,
            connections: 10_000,
            streams: 200,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

/// Answers requests. It is shared by all connections and called for many requests at a time.
pub trait Handler: Send + Sync + 'static {
    /// The body of its answers. When it fails, the client's connection or stream is cut off, so that the client can
    /// tell a broken answer from a complete one.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + Unpin + 'static;

    /// Answers one request.
    ///
    /// When `peer.refusal` is set, the client's request was unacceptable, and `request` is only a stand-in for it: the
    /// answer is the refusal, and nothing else in `request` means anything.
    ///
    /// The future is dropped, wherever it is, when the client leaves. A panic ends the connection (with HTTP/2 the
    /// stream) and nothing more.
    fn call(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Who sent a request, and how.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The other end of the connection.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Why the request cannot be taken for one.
    pub refusal: Option<Refusal>,
}

/// How a server came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// How many connections had requests in flight when the time for the drain was over, and were cut off.
    pub aborted: usize,
}

/// Opens a listening socket. Must be called within a tokio runtime.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    const BACKLOG: i32 = 1024;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must not wait for the connections of the one before it to be forgotten.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit these. The first finds clients that vanished while their answer is not ready yet.
    let keep_alive = TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    socket.set_tcp_keepalive(&keep_alive)?;
    // Without the second the kernel takes megabytes for a client that reads slowly, and it does not show for a long
    // time whether the client reads at all.
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(128 * 1024)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves until `shutdown` is ready; then accepts nothing more, lets the requests in flight end, tells the clients to
/// open no more on their connections, and cuts off what is left after [`Options::drain`].
///
/// Must be called within a tokio runtime; every connection is a task of its own, on one of [`Options::workers`]. Several calls, each with a
/// listener of its own, share nothing but the clones of their options.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    options: Options,
    handler: H,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let shared = Arc::new(Shared::new(&options, handler));
    let mut connections = Connections {
        open: JoinSet::new(),
        turned_away: JoinSet::new(),
        limit: options.connections,
        workers: options.workers,
        counted: options.counted,
    };
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.open.join_next() => report_panic(ended),
            Some(_) = connections.turned_away.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, address)) => connections.take(socket, address, &shared),
                Err(error) => recover(error).await,
            },
        }
    }
    // Clients whose connections wait to be accepted believe that they are connected.
    while let Some(Ok((socket, address))) = listener.accept().now_or_never() {
        connections.take(socket, address, &shared);
    }
    drop(listener);
    shared.drain.begin();
    connections.drain(options.drain).await
}

/// Waits where accepting again at once would fail again at once.
async fn recover(error: io::Error) {
    const PAUSE: Duration = Duration::from_millis(100);
    let is_of_one_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    );
    if !is_of_one_connection {
        // Most likely there are no file descriptors left; connections that end will free some.
        warn!(%error, "cannot accept connections");
        sleep(PAUSE).await;
    }
}

/// The tasks of a server.
struct Connections {
    open: JoinSet<()>,
    turned_away: JoinSet<()>,
    limit: usize,
    workers: Workers,
    counted: Option<Counted>,
}

impl Connections {
    /// The most connections at a time that are told why they cannot be served.
    const TURNED_AWAY: usize = 64;

    /// Serves a connection, if there is room for it.
    fn take<H: Handler>(&mut self, socket: TcpStream, address: SocketAddr, shared: &Arc<Shared<H>>) {
        // An answer's parts are written when they are ready and must not wait for each other.
        let _ = socket.set_nodelay(true);
        if self.open.len() < self.limit {
            self.spawn(socket, address, Arc::clone(shared));
            return;
        }
        if let Some(counted) = &self.counted {
            counted.count_turned_away();
        }
        if !shared.has_tls() && self.turned_away.len() < Self::TURNED_AWAY {
            // A TLS handshake is the work that an overloaded server cannot do: there the socket is just closed.
            self.turned_away.spawn(turn_away(socket));
        }
    }

    /// Serves a connection on the thread whose turn it is, which has to be the one that watches its socket, too.
    fn spawn<H: Handler>(&mut self, socket: TcpStream, address: SocketAddr, shared: Arc<Shared<H>>) {
        let Ok(socket) = socket.into_std() else { return };
        let counted = self.counted.as_ref().map(Counted::open);
        let serve = async move {
            let _counted = counted;
            match TcpStream::from_std(socket) {
                Ok(socket) => connection::serve(socket, address, shared).await,
                Err(error) => warn!(%error, "cannot watch a connection"),
            }
        };
        self.open.spawn_on(serve, &self.workers.next());
    }

    /// Waits for the connections to end, for so long, and then ends them.
    async fn drain(mut self, time: Duration) -> Drained {
        let all_ended = async {
            while let Some(ended) = self.open.join_next().await {
                report_panic(ended);
            }
        };
        let _ = timeout(time, all_ended).await;
        let aborted = self.open.len();
        self.open.shutdown().await;
        Drained { aborted }
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection's task failed");
    }
}

/// Tells a client that there is no room for it, in HTTP/1.1, whatever it sends.
async fn turn_away(mut socket: TcpStream) {
    const TIME: Duration = Duration::from_secs(1);
    let error = Error::new(Cause::Overloaded, "The gateway has too many connections. Try again later.");
    let body = error.to_json();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let conversation = async {
        let mut scratch = [0; 1024];
        // An answer before the question would confuse some clients; closing with unread bytes would lose the answer.
        let mut received = socket.read(&mut scratch).await?;
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
        while received > 0 {
            received = socket.read(&mut scratch).await?;
        }
        io::Result::Ok(())
    };
    let _ = timeout(TIME, conversation).await;
}
