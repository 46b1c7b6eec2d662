//! One configured provider's upstream: where it is, how to be let in, and its connections.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Response, StatusCode, Uri};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connect::Connector;
use super::connections::ConnectionOptions;
use super::credential::{Applicable, AwsCredentials, Secret};
use super::fault;
use super::incoming::Incoming;
use super::lanes::{Client, Lanes};
use super::request::{self, Outgoing};
use crate::error::Error;

/// HTTP/2 lanes: enough for 6,400 calls at once before upstreams get more per connection than they have to take.
const LANES: usize = 64;
/// How often an HTTP/2 connection in use is asked whether it is alive, and how long it may take to say so. Without it a
/// connection that a middlebox has forgotten would swallow calls until their deadlines.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Idle connections kept for the next calls; a burst's others are closed.
const IDLE_CONNECTIONS: usize = 512;

/// What an [`Endpoint`] is made from.
#[derive(Debug, Clone)]
pub struct EndpointOptions {
    /// The provider's configured name, for messages.
    pub provider: String,
    /// Where the API begins: `http` or `https`, a host, perhaps a path, perhaps a query that every request carries.
    pub base_url: Uri,
    /// The secret that a [`super::Credential`] applies. An empty one is none.
    pub secret: Option<Secret>,
    /// What [`super::Credential::AwsSigv4`] signs with, unless there is a secret. Empty ones are none.
    pub aws: Option<AwsCredentials>,
    /// Headers of the operator's for every request. They win over a plugin's.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The time for the name, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Certificates (PEM) to trust besides the well-known ones.
    pub ca_file: Option<PathBuf>,
    /// How long an unused connection is kept. Shorter than what upstreams keep theirs, or calls run into closing ones.
    pub pool_idle: Duration,
    /// How many connections there may be.
    pub connections: ConnectionOptions,
}

impl EndpointOptions {
    /// Without a secret, AWS credentials or headers, ten seconds to connect, connections kept for a minute.
    pub fn new(provider: impl Into<String>, base_url: Uri) -> Self {
        Self {
            provider: provider.into(),
            base_url,
            secret: None,
            aws: None,
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            ca_file: None,
            pool_idle: Duration::from_secs(60),
            connections: ConnectionOptions::default(),
        }
    }
}

/// Why an [`Endpoint`] cannot be made of its options. Holds no secret and no URL.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base URL cannot be the start of a request.
    #[error("the base URL {0}")]
    BaseUrl(&'static str),
    /// The secret cannot stand in a header.
    #[error("the secret holds a character that cannot stand in an HTTP header, such as a line end")]
    Secret,
    /// A configured header belongs to the connection.
    #[error("the header `{0}` cannot be configured: the connection decides on it")]
    Header(HeaderName),
    /// The file with certificates is of no use.
    #[error("the certificates in {path} cannot be used: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up at all.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
}

/// One provider's upstream, with its connections. Made once per snapshot; calls share it.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) provider: String,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// The base URL's path, without the slash at its end.
    pub(super) base_path: String,
    /// The base URL's query.
    pub(super) base_query: Option<String>,
    pub(super) secret: Option<Applicable>,
    pub(super) aws: Option<AwsCredentials>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    connector: Connector,
    pool_idle: Duration,
    lanes: Lanes,
}

impl Endpoint {
    /// # Errors
    /// Options that no request could be sent with.
    pub fn new(options: EndpointOptions) -> Result<Self, BuildError> {
        let (scheme, authority) = scheme_and_authority(&options.base_url)?;
        if let Some((name, _)) = options.headers.iter().find(|(name, _)| request::belongs_to_connection(name)) {
            return Err(BuildError::Header(name.clone()));
        }
        let secret = options.secret.filter(|secret| !secret.is_empty());
        let secret = secret.map(|secret| Applicable::new(&secret)).transpose().map_err(|_| BuildError::Secret)?;
        let aws = options.aws.filter(|aws| !aws.is_empty());
        let aws = aws.map(AwsCredentials::checked).transpose().map_err(|_| BuildError::Secret)?;
        // HTTP/2 comes only with TLS: without, each call has a connection to itself.
        let lanes = if scheme == Scheme::HTTPS { LANES } else { 1 };
        let lanes = match options.connections.limit.and_then(|limit| usize::try_from(limit).ok()) {
            None => Lanes::new(lanes),
            // A connection that lies idle in one pool must not be missing in another.
            Some(limit) => Lanes::shared(lanes.min(limit)),
        };
        let mut headers = options.headers;
        for (_, value) in &mut headers {
            value.set_sensitive(true);
        }
        Ok(Self {
            provider: options.provider,
            scheme,
            authority,
            base_path: options.base_url.path().trim_end_matches('/').to_owned(),
            base_query: options.base_url.query().map(str::to_owned),
            secret,
            aws,
            headers,
            connector: Connector::new(options.ca_file.as_deref(), options.connect_timeout, options.connections)?,
            pool_idle: options.pool_idle,
            lanes,
        })
    }

    /// Sends a request and waits for the head of the answer, without a time limit but the one for connecting: the
    /// caller sets one, and dropping the call cancels it. 100 and 103 on the way are passed over.
    ///
    /// # Errors
    /// - `Cause::Plugin`: the request breaks a rule of [`Outgoing`].
    /// - `Cause::Authentication`: it has to be signed, and there is nothing to sign it with.
    /// - `Cause::Connection`, `Cause::Timeout`: no connection, or it ended before an answer came. Retryable.
    /// - `Cause::Overloaded`: there are as many connections as there may be.
    /// - `Cause::BadAnswer`: a head that is not HTTP or too large, or a redirect, which is never followed.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Incoming, Error> {
        let has_condition = outgoing.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("if-none-match"));
        let request = outgoing.into_request(self, SystemTime::now())?;
        let (client, lease) = self.lanes.lease(|| self.client());
        let response = client.request(request).await.map_err(|error| fault::before_answer(&self.provider, &error))?;
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => Err(fault::switched_protocols()),
            // Whoever has the document already has asked for this.
            StatusCode::NOT_MODIFIED if has_condition => Ok(Incoming::new(response, lease)),
            status if status.is_redirection() => Err(fault::redirect(status, redirect_host(&response).as_deref())),
            _ => Ok(Incoming::new(response, lease)),
        }
    }

    /// A pool. The size of an answer's head is limited by hyper: 100 headers and about 400 KiB, over HTTP/2 16 KiB.
    fn client(&self) -> Client {
        legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.pool_idle)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build(self.connector.clone())
    }
}

fn scheme_and_authority(url: &Uri) -> Result<(Scheme, Authority), BuildError> {
    let scheme = url.scheme().filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
    let scheme = scheme.ok_or(BuildError::BaseUrl("does not start with `http://` or `https://`"))?;
    let authority = url.authority().ok_or(BuildError::BaseUrl("names no host"))?;
    if authority.as_str().contains('@') {
        return Err(BuildError::BaseUrl("holds a user name or password: give the secret as the provider's key"));
    }
    Ok((scheme.clone(), authority.clone()))
}

fn redirect_host<B>(response: &Response<B>) -> Option<String> {
    let location = response.headers().get(hyper::header::LOCATION)?.to_str().ok()?;
    location.parse::<Uri>().ok()?.host().map(str::to_owned)
}
