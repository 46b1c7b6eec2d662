//! Opens connections: name, TCP and TLS in one time limit. HTTP/2 is used where an upstream offers it by ALPN.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tower_service::Service;

use super::connections::{ConnectionOptions, Connections, Open};
use super::endpoint::BuildError;

/// After this silence the kernel asks whether the other side is still there, so that a peer that vanished is noticed.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// Makes the connections of one upstream.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    https: HttpsConnector<HttpConnector>,
    timeout: Duration,
    connections: Connections,
}

impl Connector {
    /// Trusts Mozilla's root certificates and those in `ca_file` (PEM), if one is given.
    ///
    /// # Errors
    /// A `ca_file` that cannot be read or holds no certificate.
    pub(super) fn new(
        ca_file: Option<&Path>,
        timeout: Duration,
        connections: ConnectionOptions,
    ) -> Result<Self, BuildError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(ca_file)?)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        Ok(Self { https, timeout, connections: Connections::new(connections) })
    }
}

/// The TLS of all connections: well-known authorities, and those in `ca_file`.
pub(super) fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, BuildError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let unreadable = |reason: String| BuildError::CaFile { path: path.to_owned(), reason };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
        let mut count = 0;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(unreadable("there is no certificate in it".into()));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(BuildError::Tls)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

impl Service<Uri> for Connector {
    type Response = Open<MaybeHttpsStream<TokioIo<TcpStream>>>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.https.call(uri);
        let (timeout, connections) = (self.timeout, self.connections.clone());
        Box::pin(async move {
            let leave = connections.leave().await?;
            let stream = tokio::time::timeout(timeout, connecting).await.unwrap_or_else(|_| {
                let text = format!("no connection within {} ms", timeout.as_millis());
                Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
            })?;
            Ok(Open::new(stream, leave))
        })
    }
}
