//! One connection, from the accepted socket to its end: TLS if configured, then HTTP/1 or HTTP/2, whichever the client
//! speaks, until it is idle for too long or the server drains.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::answer::{Answer, Streams};
use super::deadline::Deadline;
use super::exchange::Exchanges;
use super::framing::{HeadLimits, Version};
use super::guarded::{Guarded, Limits};
use super::{Handler, Options, Peer, TurnedAway};

/// How long a connection that was told to end may stay without a request.
const FAREWELL: Duration = Duration::from_secs(5);
/// The most bytes of an answer that one HTTP/2 stream keeps ready: as many as go into one frame.
const FRAME_BYTES: usize = 16 * 1024;
/// The most bytes that one HTTP/2 stream has on their way to the socket.
const STREAM_SEND_BYTES: usize = 64 * 1024;
/// The most bytes that one HTTP/1 connection has on their way to the socket, and the largest piece of a body that it
/// reads at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// hyper reads this many headers without allocating, and no more unless it is told so.
const USUAL_HEADERS: usize = 100;
/// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// How many streams of one connection may be open that the client or the server has already given up: more is an
/// attack (CVE-2023-44487, CVE-2025-8671).
const RESET_STREAMS: usize = 64;

/// What all connections of a server share.
pub(super) struct Shared<H> {
    handler: Arc<H>,
    tls: Option<TlsAcceptor>,
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
    limits: Limits,
    handshake_timeout: Duration,
    keep_alive: Duration,
    /// Tells the connections that the server drains.
    pub(super) drain: Drain,
    /// Why they get no work, if they do not. Each of them is then for one request.
    turned_away: Option<TurnedAway>,
}

impl<H: Handler> Shared<H> {
    /// What connections need, from what was configured.
    pub(super) fn new(options: &Options, handler: Arc<H>, turned_away: Option<TurnedAway>) -> Self {
        let mut http1 = http1::Builder::new();
        // A client that closes its side has left; and times are limited in front of hyper, not in it.
        http1.half_close(false).header_read_timeout(None).max_buf_size(BUFFER_BYTES.max(options.header_bytes + 1));
        if options.headers > USUAL_HEADERS {
            http1.max_headers(options.headers);
        }
        let mut http2 =
            http2::Builder::new(Streams { write_timeout: options.write_timeout, workers: options.workers.clone() });
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(options.streams)
            .max_header_list_size(u32::try_from(options.header_bytes).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(RESET_STREAMS)
            .max_local_error_reset_streams(RESET_STREAMS)
            .max_send_buf_size(STREAM_SEND_BYTES)
            .keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1);
        Self {
            handler,
            tls: options.tls.as_ref().map(|tls| TlsAcceptor::from(tls.config())),
            http1,
            http2,
            limits: Limits {
                head: HeadLimits { bytes: options.header_bytes, headers: options.headers },
                header_timeout: options.header_timeout,
                body_timeout: options.body_timeout,
                write_timeout: options.write_timeout,
            },
            handshake_timeout: options.handshake_timeout,
            keep_alive: options.keep_alive,
            drain: Drain::default(),
            turned_away,
        }
    }

    /// Whether connections speak TLS.
    pub(super) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }
}

/// Serves one connection to its end.
pub(super) async fn serve<H: Handler>(socket: TcpStream, address: SocketAddr, shared: Arc<Shared<H>>) {
    if let Err(error) = try_serve(socket, address, &shared).await {
        debug!(%address, %error, "connection ended");
    }
}

async fn try_serve<H: Handler>(
    socket: TcpStream,
    address: SocketAddr,
    shared: &Arc<Shared<H>>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = match &shared.tls {
        None => Stream::Plain(socket),
        Some(acceptor) => {
            // Boxed, as is HTTP/2 below: a connection keeps room for the most that it might need, and most need neither.
            let handshake = Box::pin(timeout(shared.handshake_timeout, acceptor.accept(socket)));
            Stream::Tls(Box::new(handshake.await??))
        }
    };
    let exchanges = Arc::new(Exchanges::default());
    let mut stream = Guarded::new(stream, Arc::clone(&exchanges), shared.limits);
    let version = tokio::select! {
        biased;
        version = timeout(shared.limits.header_timeout, stream.version()) => version??,
        () = shared.drain.begun() => None,
    };
    // A client says by its first bytes which HTTP it speaks. What it negotiated in TLS it has to do anyway.
    let stream = TokioIo::new(stream);
    let service = |piece_bytes| {
        let (shared, exchanges) = (Arc::clone(shared), Arc::clone(&exchanges));
        Service(Arc::new(Requests { address, shared, exchanges, piece_bytes }))
    };
    match version {
        None => Ok(()),
        Some(Version::One) => {
            let connection = shared.http1.serve_connection(stream, service(usize::MAX));
            Ok(drive(connection, &exchanges, &shared.drain, shared.keep_alive).await?)
        }
        Some(Version::Two) => {
            let connection = shared.http2.serve_connection(stream, service(FRAME_BYTES));
            Ok(Box::pin(drive(connection, &exchanges, &shared.drain, shared.keep_alive)).await?)
        }
    }
}

/// Hands the requests of one connection to the handler.
struct Service<H>(Arc<Requests<H>>);

/// What the requests of one connection share. They hold this, and not what all connections share, so that the cores do
/// not contend for one reference count.
struct Requests<H> {
    address: SocketAddr,
    shared: Arc<Shared<H>>,
    exchanges: Arc<Exchanges>,
    piece_bytes: usize,
}

impl<H: Handler> hyper::service::Service<Request<Incoming>> for Service<H> {
    type Response = Response<Answer<H::Body>>;
    type Error = Infallible;
    /// Boxed, because hyper keeps room for it in every connection, idle ones included.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let requests = Arc::clone(&self.0);
        // Now, and not when the future is polled first: the reader has to know.
        let exchange = requests.exchanges.begin();
        let refusal = requests.exchanges.take_refusal();
        Box::pin(async move {
            let (tls, turned_away) = (requests.shared.has_tls(), requests.shared.turned_away);
            let peer = Peer { address: requests.address, tls, refusal, turned_away };
            let mut response = requests.shared.handler.call(request, peer).await;
            if exchange.is_broken() || turned_away.is_some() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Answer::new(body, exchange, requests.piece_bytes)))
        })
    }
}

/// Polls a connection to its end; asks it to end when it has been idle for too long, or when the server drains.
async fn drive<C: GracefulConnection>(
    connection: C,
    exchanges: &Exchanges,
    drain: &Drain,
    keep_alive: Duration,
) -> Result<(), C::Error> {
    let mut connection = pin!(connection);
    let mut drain_begun = pin!(drain.begun());
    let mut idle = Deadline::default();
    let mut begun = 0;
    let mut is_registered = false;
    let mut is_ending = false;
    poll_fn(|context| {
        loop {
            // First, so that a request that is already there is read before the connection is asked to end.
            if let Poll::Ready(result) = connection.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            // Many an exchange begins and ends within one poll.
            if exchanges.begun() != begun {
                begun = exchanges.begun();
                idle.disarm();
            }
            if exchanges.is_idle() {
                idle.arm(if is_ending { FAREWELL } else { keep_alive });
            } else {
                idle.disarm();
            }
            let is_too_long_idle = idle.poll(context).is_ready();
            if is_ending {
                return if is_too_long_idle { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            // Polling this future takes a lock that all connections share, so it is done once, to be woken. A task's
            // waker does not change.
            if !is_registered {
                is_registered = true;
                let _ = drain_begun.as_mut().poll(context);
            }
            let is_draining = drain.has_begun() && !exchanges.is_receiving();
            if !is_draining && !is_too_long_idle {
                return Poll::Pending;
            }
            is_ending = true;
            idle.disarm();
            connection.as_mut().graceful_shutdown();
        }
    })
    .await
}

/// Tells all connections at once that the server drains.
#[derive(Debug, Default)]
pub(super) struct Drain {
    has_begun: AtomicBool,
    notify: Notify,
}

impl Drain {
    /// Begins it.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }

    /// Waits for the beginning.
    async fn begun(&self) {
        let notified = self.notify.notified();
        if !self.has_begun() {
            notified.await;
        }
    }
}

/// A connection's bytes, with or without TLS around them.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Calls the same method of whichever stream it is.
macro_rules! either {
    ($stream:expr, $method:ident, $($argument:expr),*) => {
        match $stream.get_mut() {
            Self::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Self::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_read, context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, poll_write, context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write_vectored, context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown, context)
    }
}
