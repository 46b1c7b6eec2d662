//! An upstream that does what a script says, byte for byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::{Credential, Endpoint, EndpointOptions, Outgoing};

/// What is long enough for anything that is to happen at once, on a machine with other things to do.
pub(super) const SOON: Duration = Duration::from_secs(5);

/// One thing to do on a connection.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Read a whole request.
    Receive,
    /// Send these bytes in one write.
    Send(Bytes),
    /// Send these bytes in writes of one.
    Trickle(Bytes),
    /// Send nothing more, but go on reading.
    Finish,
    /// Go on when the test says so.
    Wait(Arc<Notify>),
    /// Send a reset. Ends the connection.
    Reset,
    /// Wait until the client closes, and say so. Ends the connection.
    AwaitClose,
}

pub(super) fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step::Send(Bytes::copy_from_slice(bytes.as_ref()))
}

/// A good answer with this body.
pub(super) fn answer(body: &str) -> Step {
    send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// What an upstream saw, with the number of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Request(usize, String),
    Closed(usize),
}

/// A scripted upstream: one script for each connection, in the order in which they come.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    seen: UnboundedReceiver<Seen>,
}

impl Upstream {
    pub(super) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = unbounded_channel();
        tokio::spawn(async move {
            for (number, script) in scripts.into_iter().enumerate() {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(play(stream, number, script, sender.clone()));
            }
        });
        Self { address, seen }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.options()).unwrap()
    }

    pub(super) fn options(&self) -> EndpointOptions {
        EndpointOptions::new("test", format!("http://{}/v1", self.address).parse().unwrap())
    }

    /// The next thing that the upstream saw.
    pub(super) async fn seen(&mut self) -> Seen {
        tokio::time::timeout(SOON, self.seen.recv()).await.expect("nothing was seen in time").expect("all is over")
    }

    /// The connection on which the next request came.
    pub(super) async fn connection_of_request(&mut self) -> usize {
        match self.seen().await {
            Seen::Request(number, _) => number,
            other => panic!("{other:?}"),
        }
    }
}

async fn play(mut stream: TcpStream, number: usize, script: Vec<Step>, seen: UnboundedSender<Seen>) {
    for step in script {
        match step {
            Step::Receive => {
                let Some(request) = receive(&mut stream).await else { return };
                let _ = seen.send(Seen::Request(number, request));
            }
            // The client may be gone: then there is nobody to send to.
            Step::Send(bytes) => drop(stream.write_all(&bytes).await),
            Step::Trickle(bytes) => {
                for byte in bytes {
                    let _ = stream.write_u8(byte).await;
                    tokio::task::yield_now().await;
                }
            }
            Step::Finish => drop(stream.shutdown().await),
            Step::Wait(signal) => signal.notified().await,
            Step::Reset => return stream.set_zero_linger().unwrap(),
            Step::AwaitClose => {
                while !matches!(stream.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {}
                let _ = seen.send(Seen::Closed(number));
                return;
            }
        }
    }
}

/// A request's head, and its body unless it is empty. `None` when the client closed.
async fn receive(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

/// A request for `/chat` with a small body.
pub(super) fn request() -> Outgoing {
    Outgoing {
        method: Method::POST,
        path: "/chat".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: Bytes::from_static(b"{\"a\":1}"),
        credential: Credential::None,
        accept_stream: false,
        request_id: "req-1".into(),
    }
}

/// Lets everything happen that can happen without anything new from outside: on a runtime of one thread, each turn
/// polls the sockets, and loopback delivers at once.
pub(super) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
