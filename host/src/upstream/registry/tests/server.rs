//! An HTTP server whose answers are a function of the request, and which remembers what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::SOON;

pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A request without its body.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// With its query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The value of a parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The server. Dropping it closes the port; connections end with the runtime.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start<A>(answer: impl Fn(Asked) -> A + Clone + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Answer> + Send + 'static,
    {
        Self::start_with(None, answer).await
    }

    pub(super) async fn start_with<A>(
        tls: Option<ServerConfig>,
        answer: impl Fn(Asked) -> A + Clone + Send + Sync + 'static,
    ) -> Self
    where
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let record = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, record, answer) = (acceptor.clone(), Arc::clone(&record), answer.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, record, answer).await,
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            serve(stream, record, answer).await;
                        }
                    }
                });
            }
        });
        Self { address, asked, accepting }
    }

    /// What it was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until it has been asked so often.
    pub(super) async fn was_asked(&self, count: usize) {
        let asking = async {
            while self.asked().len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, asking).await.expect("the server is not asked");
    }

    pub(super) fn last(&self) -> Asked {
        self.asked().pop().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve<A>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin,
    record: Arc<Mutex<Vec<Asked>>>,
    answer: impl Fn(Asked) -> A,
) where
    A: Future<Output = Answer>,
{
    let service = service_fn(|request: Request<Incoming>| {
        let asked = Asked { path: request.uri().to_string(), headers: request.headers().clone() };
        record.lock().unwrap().push(asked.clone());
        let answer = answer(asked);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A whole answer.
pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Full::new(body.into()).boxed()).unwrap()
}
