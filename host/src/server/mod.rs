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
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{error, warn};

use self::connection::Shared;
pub use self::refusal::Refusal;
pub use self::tls::{Tls, TlsError};
pub use self::workers::Workers;
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
    /// The most connections at a time. Those beyond are turned away at once (with TLS: closed), so that a client can go
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
    /// Why the request is to be given no work, if so. It may still be told how things stand.
    pub turned_away: Option<TurnedAway>,
}

/// Why a connection is one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// There are as many as there may be.
    Full,
    /// It was opened while the server drains.
    Draining,
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

/// Serves until `shutdown` is ready; then lets the requests in flight end, tells the clients to open no more on their
/// connections, and cuts off what is left after [`Options::drain`]. Until then, as when there are too many connections,
/// whoever connects anew is [turned away](Peer::turned_away) by the handler: a load balancer has to hear that it is to
/// go elsewhere, and those who watch over the process that it is alive.
///
/// Must be called within a tokio runtime; every connection is a task of its own, on one of [`Options::workers`]. Several
/// calls, each with a listener of its own, share nothing but the clones of their options.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    options: Options,
    handler: H,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let drain = options.drain;
    let mut connections = Connections::new(options, handler);
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.open.join_next() => report_panic(ended),
            Some(ended) = connections.turned_away.join_next() => report_panic(ended),
            accepted = listener.accept() => match accepted {
                Ok((socket, address)) => connections.take(socket, address),
                Err(error) => recover(error).await,
            },
        }
    }
    // Clients whose connections wait to be accepted believe that they are connected.
    while let Some(Ok((socket, address))) = listener.accept().now_or_never() {
        connections.take(socket, address);
    }
    connections.drain(drain, listener).await
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
struct Connections<H> {
    shared: Arc<Shared<H>>,
    open: JoinSet<()>,
    /// What those share that are one too many, and how many of them there are.
    full: Arc<Shared<H>>,
    draining: Arc<Shared<H>>,
    turned_away: JoinSet<()>,
    limit: usize,
    workers: Workers,
    counted: Option<Counted>,
}

impl<H: Handler> Connections<H> {
    /// The most connections at a time that are told why they get no work. Others are closed.
    const TURNED_AWAY: usize = 64;

    /// How long a client may take to hear that.
    const FAREWELL: Duration = Duration::from_secs(1);

    fn new(options: Options, handler: H) -> Self {
        let handler = Arc::new(handler);
        let shared = |options: &Options, turned_away| Arc::new(Shared::new(options, Arc::clone(&handler), turned_away));
        let brief = Options {
            header_timeout: options.header_timeout.min(Self::FAREWELL),
            body_timeout: options.body_timeout.min(Self::FAREWELL),
            keep_alive: options.keep_alive.min(Self::FAREWELL),
            ..options.clone()
        };
        Self {
            shared: shared(&options, None),
            open: JoinSet::new(),
            full: shared(&brief, Some(TurnedAway::Full)),
            draining: shared(&brief, Some(TurnedAway::Draining)),
            turned_away: JoinSet::new(),
            limit: options.connections,
            workers: options.workers,
            counted: options.counted,
        }
    }

    /// Serves a connection, if there is room for it.
    fn take(&mut self, socket: TcpStream, address: SocketAddr) {
        if self.open.len() < self.limit {
            let task = self.task(socket, address, Arc::clone(&self.shared));
            self.open.spawn_on(task, &self.workers.next());
            return;
        }
        if let Some(counted) = &self.counted {
            counted.count_turned_away();
        }
        // A TLS handshake is the work that an overloaded server cannot do: there the socket is just closed.
        if !self.shared.has_tls() {
            self.turn_away(socket, address, Arc::clone(&self.full));
        }
    }

    fn turn_away(&mut self, socket: TcpStream, address: SocketAddr, shared: Arc<Shared<H>>) {
        if self.turned_away.len() < Self::TURNED_AWAY {
            let task = self.task(socket, address, shared);
            self.turned_away.spawn_on(task, &self.workers.next());
        }
    }

    /// What serves a connection, to be run on one thread, which then watches its socket, too.
    fn task(
        &self,
        socket: TcpStream,
        address: SocketAddr,
        shared: Arc<Shared<H>>,
    ) -> impl Future<Output = ()> + Send + use<H> {
        // An answer's parts are written when they are ready and must not wait for each other.
        let _ = socket.set_nodelay(true);
        let (socket, counted) = (socket.into_std(), self.counted.as_ref().map(Counted::open));
        async move {
            let _counted = counted;
            match socket.and_then(TcpStream::from_std) {
                Ok(socket) => connection::serve(socket, address, shared).await,
                Err(error) => warn!(%error, "cannot watch a connection"),
            }
        }
    }

    /// Waits for the connections to end, for so long, and then ends them.
    async fn drain(mut self, time: Duration, listener: TcpListener) -> Drained {
        self.shared.drain.begin();
        let mut time_is_up = pin!(sleep(time));
        while !self.open.is_empty() {
            tokio::select! {
                biased;
                () = &mut time_is_up => break,
                Some(ended) = self.open.join_next() => report_panic(ended),
                Some(ended) = self.turned_away.join_next() => report_panic(ended),
                accepted = listener.accept() => match accepted {
                    Ok((socket, address)) => self.turn_away(socket, address, Arc::clone(&self.draining)),
                    Err(error) => recover(error).await,
                },
            }
        }
        drop(listener);
        let aborted = self.open.len();
        self.open.shutdown().await;
        // Who has just asked still hears the answer.
        self.full.drain.begin();
        self.draining.drain.begin();
        let heard = async { while self.turned_away.join_next().await.is_some() {} };
        let _ = timeout(Self::FAREWELL, heard).await;
        Drained { aborted }
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection's task failed");
    }
}
