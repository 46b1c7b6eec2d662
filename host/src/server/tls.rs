//! The server's certificate and key: read from PEM files, checked, and replaced while connections run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What a server needs to speak TLS. Clones share one certificate.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    certificate: Arc<Certificate>,
}

impl Tls {
    /// Reads a certificate chain, the server's own first, and its private key, both PEM. Offers HTTP/2 and HTTP/1.1.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let certified = read(certificate, key, &provider)?;
        let certificate = Arc::new(Certificate { current: ArcSwap::from_pointee(certified) });
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = versions
            .map_err(TlsError::Unsupported)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), certificate })
    }

    /// Uses another certificate, or a renewed one, for the connections that come from now on. After an error the old
    /// one stays in use.
    pub fn replace(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        let certified = read(certificate, key, self.config.crypto_provider())?;
        self.certificate.current.store(Arc::new(certified));
        Ok(())
    }

    /// For accepting connections.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{} is not a PEM file: {source}", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls_pki_types::pem::Error,
    },
    /// The certificate file has no certificate.
    #[error("{} holds no certificate (no `-----BEGIN CERTIFICATE-----`)", .0.display())]
    NoCertificate(PathBuf),
    /// The key file has no private key.
    #[error("{} holds no private key (no `-----BEGIN PRIVATE KEY-----`; encrypted keys are not supported)", .0.display())]
    NoKey(PathBuf),
    /// The two do not work together, or one of them is of a kind that is not supported.
    #[error("the key in {} cannot be used with the certificate in {}: {source}", key.display(), certificate.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The TLS library has no version in common with itself. This is a fault of the build.
    #[error("TLS is not available: {0}")]
    Unsupported(rustls::Error),
}

/// The certificate in use, asked for by every handshake.
#[derive(Debug)]
struct Certificate {
    current: ArcSwap<CertifiedKey>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let not_pem = |path: &Path, source| TlsError::NotPem { path: path.to_owned(), source };
    let pem = read_file(certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| not_pem(certificate, error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.to_owned()));
    }
    let private_key = PrivateKeyDer::from_pem_slice(&read_file(key)?).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => TlsError::NoKey(key.to_owned()),
        other => not_pem(key, other),
    })?;
    CertifiedKey::from_der(chain, private_key, provider).map_err(|source| TlsError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}
