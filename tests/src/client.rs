//! An HTTP client that hides nothing: every request has a connection of its own, and an answer is its status, its
//! headers and its bytes.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::bounded;
use crate::transcript::{End, Transcript};

/// A client of one gateway.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    headers: HeaderMap,
}

impl Client {
    /// A client without a key.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, headers: HeaderMap::new() }
    }

    /// The same with `Authorization: Bearer`.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        self.with("authorization", &format!("Bearer {key}"))
    }

    /// The same with one more header on every request.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a test sends valid header names");
        self.headers.insert(name, HeaderValue::from_str(value).expect("a test sends valid header values"));
        self
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Bytes::new()).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_bytes(path, body.to_string()).await
    }

    /// Posts bytes that are said to be JSON.
    pub async fn post_bytes(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body).await
    }

    /// Posts a chat request.
    pub async fn chat(&self, body: &Value) -> Answer {
        self.post("/v1/chat/completions", body).await
    }

    /// Posts a streamed chat request and reads the answer to its end.
    pub async fn stream(&self, body: &Value) -> Transcript {
        self.open_stream(body).await.transcript().await
    }

    /// Posts a streamed chat request and leaves the answer to be read.
    pub async fn open_stream(&self, body: &Value) -> Streaming {
        let json = [("content-type", "application/json")];
        self.open("POST", "/v1/chat/completions", &json, body.to_string()).await
    }

    /// Sends any request and reads the answer to its end.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.open(method, path, headers, body).await.whole().await
    }

    /// Sends any request and leaves the body of the answer to be read.
    pub async fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Streaming {
        let sending = self.try_open(method, path, headers, body);
        bounded(&format!("an answer to {method} {path}"), sending).await.expect("the gateway answers")
    }

    /// Sends any request without a bound on the time.
    ///
    /// # Errors
    /// The connection was refused or closed before the head of an answer had come.
    pub async fn try_open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Streaming, hyper::Error> {
        let stream = TcpStream::connect(self.address).await.expect("the gateway accepts connections");
        stream.set_nodelay(true).expect("a socket has options");
        let request = self.request(path, method, headers, body.into());
        Streaming::start(stream, request).await
    }

    /// Sends the requests over one HTTP/1.1 connection, one after the other. Fails if it is closed in between.
    pub async fn on_one_connection(&self, requests: &[(&str, &str, &str)]) -> Vec<Answer> {
        let stream = TcpStream::connect(self.address).await.expect("the gateway accepts connections");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1 needs no handshake");
        let _connection = Running(tokio::spawn(async move { connection.await.map_err(|_| ()) }));
        let mut answers = Vec::new();
        for (method, path, body) in requests {
            bounded("the connection stays open", sender.ready()).await.expect("the connection stays open");
            let request =
                self.request(path, method, &[("content-type", "application/json")], (*body).to_owned().into());
            let response = bounded("an answer", sender.send_request(request)).await.expect("the gateway answers");
            answers.push(Answer::read(response).await);
        }
        answers
    }

    /// Sends a request with HTTP/2 by prior knowledge, over a connection that was made already (TCP or TLS).
    pub async fn over_http2(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Answer {
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("the gateway speaks HTTP/2");
        let _connection = Running(tokio::spawn(async move { connection.await.map_err(|_| ()) }));
        let mut request = self.request(path, method, &[("content-type", "application/json")], body.to_string().into());
        *request.uri_mut() = format!("http://{}{path}", self.address).parse().expect("a test sends valid paths");
        request.headers_mut().remove("host");
        let response = bounded("an answer over HTTP/2", sender.send_request(request)).await;
        Answer::read(response.expect("the gateway answers")).await
    }

    /// Sends a request over a connection that was made already, such as one with TLS.
    pub async fn over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Answer {
        let request = self.request(path, method, &[("content-type", "application/json")], body.to_string().into());
        Streaming::start(stream, request).await.expect("the gateway answers").whole().await
    }

    fn request(&self, path: &str, method: &str, headers: &[(&str, &str)], body: Bytes) -> Request<Full<Bytes>> {
        let method = Method::from_bytes(method.as_bytes()).expect("a test sends valid methods");
        let mut request = Request::builder().method(method).uri(path).header("host", self.address.to_string());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::new(body)).expect("a test sends valid requests")
    }
}

/// A task that ends with its owner: dropping a connection closes it.
struct Running(JoinHandle<Result<(), ()>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose body is still to be read. Dropping it closes the connection.
pub struct Streaming {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    seen: Vec<u8>,
    _connection: Running,
}

impl Streaming {
    async fn start(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<Self, hyper::Error> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = Running(tokio::spawn(async move { connection.await.map_err(|_| ()) }));
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok(Self { status: head.status, headers: head.headers, body, seen: Vec::new(), _connection: connection })
    }

    /// Reads until the body so far contains `text`. Fails if the body ends before.
    pub async fn read_until(&mut self, text: &str) {
        let reading = async {
            while !contains(&self.seen, text.as_bytes()) {
                let more = self.read_more().await;
                assert!(more, "the body ended without {text:?}: {}", String::from_utf8_lossy(&self.seen));
            }
        };
        bounded(&format!("{text:?} in the stream"), reading).await;
    }

    /// What was read so far.
    #[must_use]
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Reads the rest as a stream of events.
    pub async fn transcript(mut self) -> Transcript {
        let end = self.finish().await;
        Transcript::new(self.status, self.headers.clone(), std::mem::take(&mut self.seen), end)
    }

    /// Reads the rest as one document. Fails if it is cut off.
    pub async fn whole(mut self) -> Answer {
        let end = self.finish().await;
        assert_eq!(end, End::Ordered, "the answer was cut off after: {}", self.seen());
        Answer { status: self.status, headers: self.headers.clone(), body: std::mem::take(&mut self.seen).into() }
    }

    async fn finish(&mut self) -> End {
        let reading = async {
            loop {
                match self.body.frame().await {
                    None => return End::Ordered,
                    Some(Err(_)) => return End::Aborted,
                    Some(Ok(frame)) => self.seen.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                }
            }
        };
        bounded("the end of an answer", reading).await
    }

    async fn read_more(&mut self) -> bool {
        let Some(Ok(frame)) = self.body.frame().await else { return false };
        self.seen.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        true
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What an error in the form of the OpenAI API says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorBody {
    /// `error.message`.
    pub message: String,
    /// `error.type`.
    pub kind: String,
    /// `error.param`.
    pub param: Option<String>,
    /// `error.code`.
    pub code: Option<String>,
}

impl Answer {
    async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = bounded("the end of an answer", body.collect()).await.expect("the answer is not cut off");
        Self { status: head.status, headers: head.headers, body: body.to_bytes() }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The text of the first choice, of an answer that has to be good.
    #[track_caller]
    pub fn content(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        let body = self.json();
        let content = body["choices"][0]["message"]["content"].as_str();
        content.unwrap_or_else(|| panic!("no content: {body}")).to_owned()
    }

    /// Checks that this is an error with this status and exactly the form of the OpenAI API, and returns it.
    #[track_caller]
    pub fn error(&self, status: u16) -> ErrorBody {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert!(
            self.header("content-type").is_some_and(|kind| kind.starts_with("application/json")),
            "an error is JSON: {:?}",
            self.headers
        );
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "an error carries a request id");
        ErrorBody::of(&self.json())
    }
}

impl ErrorBody {
    /// Reads `{"error": {...}}`; fails if the form is another.
    #[must_use]
    #[track_caller]
    pub fn of(body: &Value) -> Self {
        let error = body["error"].as_object().unwrap_or_else(|| panic!("no `error` object: {body}"));
        let text = |name: &str| match error.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Null) => None,
            other => panic!("`error.{name}` is neither text nor null but {other:?}: {body}"),
        };
        let message = text("message").unwrap_or_else(|| panic!("`error.message` is null: {body}"));
        assert!(!message.trim().is_empty(), "`error.message` is empty: {body}");
        let kind = text("type").unwrap_or_else(|| panic!("`error.type` is null: {body}"));
        Self { message, kind, param: text("param"), code: text("code") }
    }

    /// Checks that the message contains a text, whatever its case.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        let found = self.message.to_lowercase().contains(&text.to_lowercase());
        assert!(found, "the message lacks {text:?}: {}", self.message);
        self
    }
}
