//! A bare TCP connection to the gateway, for requests that no HTTP library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bounded;

/// A connection that sends what it is given and returns what it gets.
pub struct Raw(TcpStream);

impl Raw {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = bounded("a connection to the gateway", TcpStream::connect(address)).await;
        Self(stream.expect("the gateway accepts connections"))
    }

    /// Sends bytes. A peer that has closed already is no error: what it said is still to be read.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = bounded("the gateway takes bytes", self.0.write_all(bytes.as_ref())).await;
    }

    /// Reads everything until the peer closes, in order or not.
    pub async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = bounded("the gateway closes the connection", self.0.read_to_end(&mut bytes)).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads until what came ends with `end`, or the peer closes.
    pub async fn read_until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        let reading = async {
            let mut byte = [0];
            while !bytes.ends_with(end.as_bytes()) && matches!(self.0.read(&mut byte).await, Ok(1)) {
                bytes.push(byte[0]);
            }
        };
        bounded(&format!("the gateway sends {end:?}"), reading).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads one answer that has a content length: its head and its body.
    pub async fn read_answer(&mut self) -> (String, String) {
        let head = self.read_until("\r\n\r\n").await.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        let _ = bounded("the rest of an answer", self.0.read_exact(&mut body)).await;
        (head, String::from_utf8_lossy(&body).into_owned())
    }

    /// Closes the sending side and leaves the other open.
    pub async fn finish_sending(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// The socket itself.
    pub fn into_inner(self) -> TcpStream {
        self.0
    }
}
