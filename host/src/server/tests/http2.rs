//! HTTP/2, with and without TLS: streams that do not disturb each other, and certificates that are renewed.

use std::fs;
use std::path::{Path, PathBuf};

use hyper::client::conn::{http1, http2};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

type Sender = http2::SendRequest<Empty<Bytes>>;

async fn connect<S>(stream: S, window: u32) -> (Sender, JoinHandle<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window).initial_connection_window_size(1 << 24);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    let task = tokio::spawn(async move {
        let _ = connection.await;
    });
    (sender, task)
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://a{path}")).body(Empty::new()).unwrap()
}

async fn body_text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn http_2_is_spoken_without_tls_to_clients_that_begin_with_it() {
    let server = Running::start(Options::default());
    let (mut sender, _task) = connect(server.connect().await, 65_535).await;
    for _ in 0..3 {
        let response = sender.send_request(get("/tls")).await.unwrap();
        assert_eq!((response.status(), body_text(response).await.as_str()), (StatusCode::OK, "no"));
    }
}

#[tokio::test]
async fn a_preface_in_pieces_is_a_preface() {
    let server = Running::start(Options::default());
    let mut socket = server.connect().await;
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" {
        socket.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut frame = [0; 9];
    socket.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "the server's settings come first");
}

#[tokio::test]
async fn a_stream_that_the_client_resets_cancels_its_handler() {
    let server = Running::start(Options::default());
    let (mut sender, _task) = connect(server.connect().await, 65_535).await;
    let request = tokio::spawn(sender.send_request(get("/hang")));
    server.arrival().await;
    request.abort();
    server.cancellation().await;
    assert_eq!(sender.send_request(get("/")).await.unwrap().status(), StatusCode::OK, "the connection goes on");
}

#[tokio::test]
async fn a_stream_that_the_client_does_not_read_is_reset_and_the_others_go_on() {
    let clock = StoppedClock::new();
    let options = Options::default();
    let server = Running::start(options.clone());
    let (mut sender, _task) = connect(server.connect().await, 65_535).await;
    let response = sender.send_request(get("/endless")).await.unwrap();
    let (time, ()) = clock.run(server.seen.cancelled.notified()).await;
    assert!(is_about(time, options.write_timeout), "{time:?}");
    assert!(server.seen.given.load(Ordering::Relaxed) < 256 * 1024);
    assert!(response.into_body().collect().await.is_err(), "the client can tell that the answer is not complete");
    assert_eq!(sender.send_request(get("/")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn an_answer_larger_than_the_window_arrives_whole_at_a_client_that_reads() {
    let server = Running::start(Options::default());
    let (mut sender, _task) = connect(server.connect().await, 65_535).await;
    let mut body = sender.send_request(get("/endless")).await.unwrap().into_body();
    let mut received = 0;
    while received < 3_000_000 {
        received += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
}

#[tokio::test]
async fn an_idle_http_2_connection_is_closed_and_a_busy_one_is_not() {
    let clock = StoppedClock::new();
    let options = Options::default();
    let server = Running::start(options.clone());
    let (mut sender, task) = connect(server.connect().await, 65_535).await;
    let waiting = tokio::spawn(sender.send_request(get("/wait")));
    server.arrival().await;
    clock.pass(options.keep_alive * 3).await;
    server.seen.release.notify_one();
    assert_eq!(body_text(waiting.await.unwrap().unwrap()).await, "waited");
    let (time, ended) = clock.run(task).await;
    ended.unwrap();
    assert!(is_about(time, options.keep_alive), "{time:?}");
}

#[tokio::test]
async fn a_drain_lets_streams_in_flight_end() {
    let mut server = Running::start(Options::default());
    let (mut sender, _task) = connect(server.connect().await, 65_535).await;
    let waiting = tokio::spawn(sender.send_request(get("/wait")));
    let (_idle, idle_task) = connect(server.connect().await, 65_535).await;
    server.arrival().await;
    server.stop();
    idle_task.await.unwrap();
    server.seen.release.notify_one();
    assert_eq!(body_text(waiting.await.unwrap().unwrap()).await, "waited");
    assert_eq!(server.task.await.unwrap(), Drained { aborted: 0 });
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let server = Running::start(Options::default());
    let (mut sender, _task) = connect(server.connect().await, 65_535).await;
    let mut request = get("/");
    for number in 0..10_000 {
        let name: hyper::header::HeaderName = format!("x-{number}").parse().unwrap();
        request.headers_mut().insert(name, "y".parse().unwrap());
    }
    // The client learns the limit from the server's settings, or the server refuses: the handler is not reached.
    if let Ok(response) = sender.send_request(request).await {
        assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    assert_eq!(server.paths(), [""; 0]);
}

/// A certificate and its key in files of a directory that goes away.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("weir-server-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A new certificate, and where it and its key are.
    fn certificate(&self, name: &str) -> (CertificateDer<'static>, PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = self.write(&format!("{name}.crt"), &made.cert.pem());
        let key = self.write(&format!("{name}.key"), &made.signing_key.serialize_pem());
        (made.cert.der().clone(), certificate, key)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn connect_tls(
    server: &Running,
    trusted: &CertificateDer<'static>,
    alpn: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
}

#[tokio::test]
async fn over_tls_the_client_chooses_between_http_2_and_http_1() {
    let files = Files::new("versions");
    let (trusted, certificate, key) = files.certificate("a");
    let tls = Some(Tls::load(&certificate, &key).unwrap());
    let mut server = Running::start(Options { tls, ..Options::default() });

    let stream = connect_tls(&server, &trusted, "h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, _task) = connect(stream, 65_535).await;
    assert_eq!(body_text(sender.send_request(get("/tls")).await.unwrap()).await, "yes");

    let stream = connect_tls(&server, &trusted, "http/1.1").await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/tls").header("host", "a").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(body_text(sender.send_request(request).await.unwrap()).await, "yes");

    server.stop();
    assert_eq!(server.task.await.unwrap(), Drained { aborted: 0 });
}

#[tokio::test]
async fn the_rules_of_framing_apply_over_tls() {
    let files = Files::new("framing");
    let (trusted, certificate, key) = files.certificate("a");
    let tls = Some(Tls::load(&certificate, &key).unwrap());
    let server = Running::start(Options { tls, ..Options::default() });
    let mut stream = connect_tls(&server, &trusted, "http/1.1").await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\nHost: a\n\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(statuses(&answer), [200, 400], "{answer}");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up() {
    let clock = StoppedClock::new();
    let files = Files::new("handshake");
    let (_, certificate, key) = files.certificate("a");
    let options = Options { tls: Some(Tls::load(&certificate, &key).unwrap()), ..Options::default() };
    let server = Running::start(options.clone());
    let (time, answer) = clock.run(server.talk(b"")).await;
    assert_eq!(answer, "");
    assert!(is_about(time, options.handshake_timeout), "{time:?}");
}

#[tokio::test]
async fn a_renewed_certificate_is_used_for_new_connections_and_a_bad_one_is_not() {
    let files = Files::new("renewal");
    let (old, certificate, key) = files.certificate("old");
    let tls = Tls::load(&certificate, &key).unwrap();
    let server = Running::start(Options { tls: Some(tls.clone()), ..Options::default() });
    connect_tls(&server, &old, "h2").await.unwrap();

    let (new, new_certificate, new_key) = files.certificate("new");
    tls.replace(&new_certificate, &key).unwrap_err();
    connect_tls(&server, &old, "h2").await.unwrap();
    tls.replace(&new_certificate, &new_key).unwrap();
    connect_tls(&server, &new, "h2").await.unwrap();
    connect_tls(&server, &old, "h2").await.unwrap_err();
}

#[test]
fn unusable_certificates_are_named_with_the_reason() {
    let files = Files::new("errors");
    let (_, certificate, key) = files.certificate("a");
    let (_, _, other_key) = files.certificate("b");
    let text = files.write("text", "hello\n");
    let broken = files.write("broken", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let missing = files.0.join("missing");
    let cases: [(&Path, &Path, &str); 7] = [
        (&missing, &key, "cannot read "),
        (&certificate, &missing, "cannot read "),
        (&text, &key, "holds no certificate"),
        (&certificate, &text, "holds no private key"),
        (&certificate, &certificate, "holds no private key"),
        (&broken, &key, "is not a PEM file"),
        (&certificate, &other_key, "cannot be used with the certificate"),
    ];
    for (certificate, key, expected) in cases {
        let error = Tls::load(certificate, key).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(&*files.0.to_string_lossy()), "{error}");
    }
}
