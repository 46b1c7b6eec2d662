//! TLS and HTTP/2: certificates, ALPN, and more calls at once than one connection takes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming as RawBody};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::super::*;
use super::script::{SOON, request};
use crate::error::Cause;

/// An HTTPS upstream with a certificate of a private authority.
struct Secure {
    address: SocketAddr,
    authority: PathBuf,
    connections: Arc<AtomicUsize>,
    _folder: Folder,
}

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-upstream-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn server_config(protocols: &[&str]) -> (ServerConfig, String) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (config, authority.pem())
}

/// When `/broken` is to break.
static BREAK: Notify = Notify::const_new();

/// Says which HTTP version it is spoken to in. `/endless` begins an answer and never ends it; `/broken` breaks it off.
async fn serve(request: Request<RawBody>) -> Result<Response<BoxBody<Bytes, std::io::Error>>, Infallible> {
    let begun = stream::iter([Ok(Frame::data(Bytes::from(format!("data: {:?}\n\n", request.version()))))]);
    let body = match request.uri().path() {
        "/endless" => BodyExt::boxed(StreamBody::new(begun.chain(stream::pending()))),
        "/broken" => BodyExt::boxed(StreamBody::new(begun.chain(stream::once(async {
            BREAK.notified().await;
            Err(std::io::Error::other("broken"))
        })))),
        _ => BodyExt::boxed(StreamBody::new(begun)),
    };
    Ok(Response::new(body))
}

impl Secure {
    async fn start(name: &str, protocols: &[&str]) -> Self {
        let folder = Folder::new(name);
        let (config, pem) = server_config(protocols);
        let authority = folder.0.join("authority.pem");
        std::fs::write(&authority, pem).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, counter) = (acceptor.clone(), counter.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    counter.fetch_add(1, Ordering::Relaxed);
                    let mut server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    server.http2().max_concurrent_streams(100);
                    let _ = server.serve_connection(TokioIo::new(stream), service_fn(serve)).await;
                });
            }
        });
        Self { address, authority, connections, _folder: folder }
    }

    fn options(&self) -> EndpointOptions {
        let options = EndpointOptions::new("test", format!("https://{}", self.address).parse().unwrap());
        EndpointOptions { ca_file: Some(self.authority.clone()), ..options }
    }
}

async fn events(endpoint: &Endpoint, path: &str) -> Events {
    let outgoing = Outgoing { path: path.into(), ..request() };
    let incoming = tokio::time::timeout(SOON, endpoint.send(outgoing)).await.expect("no answer in time").unwrap();
    incoming.events(Framing::Sse, 1000).unwrap()
}

async fn first_event(events: &mut Events) -> String {
    let batch = tokio::time::timeout(SOON, events.next()).await.expect("no event in time").unwrap().unwrap();
    batch.iter().map(Event::text).collect()
}

#[tokio::test]
async fn the_http_version_is_what_the_upstream_offers() {
    for (name, protocols, version) in [
        ("both", &["h2", "http/1.1"][..], Version::HTTP_2),
        ("one", &["http/1.1"], Version::HTTP_11),
        ("none", &[], Version::HTTP_11),
    ] {
        let upstream = Secure::start(name, protocols).await;
        let endpoint = Endpoint::new(upstream.options()).unwrap();
        for _ in 0..3 {
            let mut events = events(&endpoint, "/").await;
            assert_eq!(first_event(&mut events).await, format!("{version:?}"), "{name}");
            assert!(events.next().await.is_none());
        }
        assert_eq!(upstream.connections.load(Ordering::Relaxed), 1, "{name}");
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let upstream = Secure::start("unknown", &["h2"]).await;
    let options = EndpointOptions { ca_file: None, ..upstream.options() };
    let error = Endpoint::new(options).unwrap().send(request()).await.unwrap_err();
    assert_eq!(error.cause, Cause::Connection);
    assert!(error.detail.unwrap().contains("certificate"));
}

#[tokio::test]
async fn more_streams_than_a_connection_takes_run_at_once() {
    let upstream = Secure::start("many", &["h2"]).await;
    let endpoint = Endpoint::new(upstream.options()).unwrap();
    let mut open = Vec::new();
    for _ in 0..250 {
        let mut stream = events(&endpoint, "/endless").await;
        assert_eq!(first_event(&mut stream).await, "HTTP/2.0");
        open.push(stream);
    }
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_stream_that_breaks_off_fails_alone() {
    let upstream = Secure::start("broken", &["h2"]).await;
    let endpoint = Endpoint::new(upstream.options()).unwrap();
    let mut broken = events(&endpoint, "/broken").await;
    assert_eq!(first_event(&mut broken).await, "HTTP/2.0");
    BREAK.notify_one();
    assert_eq!(broken.next().await.unwrap().unwrap_err().cause, Cause::BadAnswer);
    assert!(broken.next().await.is_none());
    let mut good = events(&endpoint, "/").await;
    assert_eq!(first_event(&mut good).await, "HTTP/2.0");
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_file_without_certificates_is_refused() {
    let folder = Folder::new("empty");
    let path = folder.0.join("empty.pem");
    std::fs::write(&path, "no certificate here").unwrap();
    let options = EndpointOptions::new("test", "https://host.example".parse().unwrap());
    let error = Endpoint::new(EndpointOptions { ca_file: Some(path), ..options }).unwrap_err();
    assert!(error.to_string().contains("no certificate"), "{error}");
}
