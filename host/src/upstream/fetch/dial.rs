//! Opens TCP connections to allowed addresses and no others. A host's name is resolved here, once, and what was checked
//! is what is connected to: a name that leads elsewhere a moment later gains nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::http::uri::Scheme;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tower_service::Service;

/// Opens connections where `is_allowed` says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialer {
    pub(super) is_allowed: fn(IpAddr) -> bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// The host's name leads nowhere.
    #[error("the name cannot be resolved")]
    Unresolved(#[source] io::Error),
    /// The host has no address that may be connected to.
    #[error("none of its addresses is allowed")]
    NotAllowed,
    /// Nobody answers at its addresses.
    #[error("no connection")]
    Unreachable(#[source] io::Error),
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let is_allowed = self.is_allowed;
        Box::pin(async move { dial(&uri, is_allowed).await.map(TokioIo::new) })
    }
}

async fn dial(uri: &Uri, is_allowed: fn(IpAddr) -> bool) -> Result<TcpStream, DialError> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    // Addresses written as such go the same way as names, in whatever spelling the resolver takes them.
    let resolved = lookup_host((host, port)).await.map_err(DialError::Unresolved)?;
    let mut allowed: Vec<SocketAddr> = resolved.filter(|address| is_allowed(address.ip())).collect();
    if allowed.is_empty() {
        return Err(DialError::NotAllowed);
    }
    // They are tried one after the other. IPv4 is the one that is rarely announced and yet broken.
    allowed.sort_by_key(SocketAddr::is_ipv6);
    TcpStream::connect(&*allowed).await.map_err(DialError::Unreachable)
}
