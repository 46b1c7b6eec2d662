//! Hosts of media that answer what a test says, with and without TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;

/// What a host answers to a path. `None` never answers.
type Script = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

/// A host of media. Says which requests it got.
pub(super) struct Host {
    pub(super) address: SocketAddr,
    /// The most requests that were under way at once.
    pub(super) peak: Arc<AtomicUsize>,
    scheme: &'static str,
    requests: UnboundedReceiver<String>,
}

/// What its connections share.
#[derive(Clone)]
struct Shared {
    answer: Script,
    requests: UnboundedSender<String>,
    open: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

impl Host {
    /// Answers each request by its path, after all that can happen before has happened. `None` never answers.
    pub(super) async fn start(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(answer)).await
    }

    /// The same over TLS, with a certificate of this authority.
    pub(super) async fn start_secure(
        authority: &Authority,
        answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(authority.acceptor.clone()), Arc::new(answer)).await
    }

    async fn listen(tls: Option<TlsAcceptor>, answer: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = unbounded_channel();
        let peak = Arc::new(AtomicUsize::new(0));
        let shared = Shared { answer, requests: sender, open: Arc::default(), peak: peak.clone() };
        let scheme = if tls.is_some() { "https" } else { "http" };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, shared) = (tls.clone(), shared.clone());
                tokio::spawn(async move {
                    match tls {
                        None => shared.serve(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => shared.serve(stream).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { address, peak, scheme, requests }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The requests so far.
    pub(super) fn seen(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

impl Shared {
    /// One request and its answer. `None` if the client is gone.
    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        self.peak.fetch_max(1 + self.open.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        let head = String::from_utf8(head).ok()?;
        let path = head.split(' ').nth(1)?.to_owned();
        self.requests.send(head).ok()?;
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        let Some(answer) = (self.answer)(&path) else { return std::future::pending().await };
        // Counted before it is sent: the next request may come at once.
        self.open.fetch_sub(1, Ordering::SeqCst);
        stream.write_all(&answer).await.ok()?;
        stream.shutdown().await.ok()
    }
}

/// An answer with this status and these headers.
pub(super) fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// An answer that redirects to there.
pub(super) fn redirect(location: &str) -> Vec<u8> {
    answer(&format!("302 Found\r\nlocation: {location}"), b"")
}

/// An authority that vouches for hosts at 127.0.0.1.
pub(super) struct Authority {
    acceptor: TlsAcceptor,
    file: PathBuf,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let file = std::env::temp_dir().join(format!("weir-{name}-{}.pem", std::process::id()));
        std::fs::write(&file, authority.pem()).unwrap();
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), file }
    }

    /// Its certificate.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}
