//! Certificates that a provider trusts beside the public ones: a `ca_file`, and a new one in its place.

use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;
use weir_tests::{Config, Dialect, Gateway, Provider, bounded, chat};

/// An upstream over TLS whose certificate can be replaced.
struct Secure {
    address: String,
    acceptor: Arc<Mutex<TlsAcceptor>>,
}

impl Secure {
    /// Starts with a certificate, and returns it too (PEM).
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (acceptor, pem) = certified();
        let acceptor = Arc::new(Mutex::new(acceptor));
        let current = Arc::clone(&acceptor);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = current.lock().unwrap().clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = answer(stream).await;
                    }
                });
            }
        });
        (Self { address, acceptor }, pem)
    }

    /// Shows another certificate from now on, which is returned (PEM).
    fn replace_certificate(&self) -> String {
        let (acceptor, pem) = certified();
        *self.acceptor.lock().unwrap() = acceptor;
        pem
    }
}

fn certified() -> (TlsAcceptor, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
    (TlsAcceptor::from(Arc::new(config.unwrap())), cert.pem())
}

/// Answers one request and closes: the next one has to connect again.
async fn answer(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    // The end of the document that the gateway sends.
    while !seen.ends_with(b"}") {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            length => seen.extend_from_slice(&buffer[..length]),
        }
    }
    let body = Dialect::OpenAi.answer("good").to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ";
    stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    stream.shutdown().await
}

#[tokio::test]
async fn new_content_of_a_ca_file_takes_effect_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let (upstream, certificate) = Secure::start().await;
    std::fs::write(&file, certificate).unwrap();
    let provider = Provider::of_plugin("openai", &format!("https://{}/v1", upstream.address));
    let provider = provider.set("/ca_file", file.to_str().unwrap().into());
    let gateway = Gateway::start(&Config::new().provider(provider)).await;
    let ask = async || gateway.client().chat(&chat::request_to("openai/m1", "x")).await;
    assert_eq!(ask().await.content(), "good");

    let certificate = upstream.replace_certificate();
    assert_eq!(ask().await.status, 502, "the new certificate is not trusted yet");
    std::fs::write(&file, certificate).unwrap();
    let taking_effect = async { while ask().await.status != 200 {} };
    bounded("the new content is noticed", taking_effect).await;

    // What is no certificate is refused, and the one before goes on.
    std::fs::write(&file, "nothing").unwrap();
    let refused = async || gateway.metrics().await.sum("weir_config_reloads_total", &[("outcome", "error")]) > 0.0;
    bounded("the file is refused", async { while !refused().await {} }).await;
    assert_eq!(ask().await.content(), "good");
}
