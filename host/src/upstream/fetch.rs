//! Fetches media that a request only refers to, for upstreams that take them inline and no other way.
//!
//! The URLs come from clients, so nothing here may help a client to look into the network that the gateway stands in:
//! names are resolved once, only public addresses are connected to, every redirect is held to the same rules, and
//! neither cookies nor credentials nor a proxy of the environment play a part. Which URLs of a document are media, and
//! where the bytes go, is `chat`'s business.

mod address;
mod dial;
mod media_type;
mod reason;
#[cfg(test)]
mod tests;
mod url;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::url::Url;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body as _, Incoming as RawBody};
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;

use self::dial::Dialer;
use self::reason::Reason;
use super::encoding::{Encoding, decode_all};
use super::endpoint::BuildError;
use super::{connect, fault};
use crate::error::Error;

/// How many URLs one request may have fetched.
pub const MOST_URLS: usize = 16;
/// How many of them are fetched at once.
const AT_ONCE: usize = 4;
/// How much larger than one file all files of one request may be together.
const FILES_TOGETHER: usize = 2;

/// What may be fetched.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Whether media are fetched at all.
    pub enabled: bool,
    /// The largest file in bytes, as it is sent and once it is decompressed. All files of one request may have twice
    /// as many together.
    pub max_bytes: usize,
    /// How long one file may take, from the resolving of its host's name to its last byte, redirects included.
    pub timeout: Duration,
    /// Whether addresses may be connected to that are not public: loopback, private, link-local and the like.
    pub private_addresses: bool,
    /// How many redirects are followed. None leads from `https` to `http`.
    pub redirects: u32,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Its type without parameters, in lower case (`image/png`). Of images and PDF what the bytes say, since servers
    /// are often wrong and upstreams compare.
    pub media_type: String,
    /// Its bytes; at least one.
    pub bytes: Bytes,
}

/// Fetches media. Made once per snapshot; requests share it.
#[derive(Debug)]
pub struct Fetcher {
    options: FetchOptions,
    client: legacy::Client<HttpsConnector<Dialer>, Empty<Bytes>>,
}

impl Fetcher {
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(options: FetchOptions) -> Result<Self, BuildError> {
        let is_allowed = if options.private_addresses { |_: IpAddr| true } else { address::is_public };
        Self::build(options, is_allowed, None)
    }

    fn build(
        options: FetchOptions,
        is_allowed: fn(IpAddr) -> bool,
        ca_file: Option<&Path>,
    ) -> Result<Self, BuildError> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(connect::tls(ca_file)?)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(Dialer { is_allowed });
        // No connection is kept: it would be used again without a look at where its host's name leads by then.
        let client = legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { options, client })
    }

    /// Fetches one file.
    ///
    /// # Errors
    /// A 400 that names the URL, without its query, and says why not. The host's own errors are among the reasons: the
    /// client chose it.
    pub async fn fetch(&self, url: &str) -> Result<Media, Error> {
        self.fetch_within(url, &Budget::new(self.options.max_bytes)).await
    }

    /// Fetches the files of one request, a few at once, in the order of their URLs. A URL that is there twice is fetched
    /// once. The first failure ends it.
    ///
    /// # Errors
    /// As for [`Self::fetch`], and more URLs or larger files together than one request may have.
    pub async fn fetch_all(&self, urls: &[String]) -> Result<Vec<Media>, Error> {
        let mut places = HashMap::new();
        let mut distinct = Vec::new();
        for url in urls {
            places.entry(url).or_insert_with(|| {
                distinct.push(url);
                distinct.len() - 1
            });
        }
        if distinct.len() > MOST_URLS {
            return Err(reason::too_many_urls(distinct.len()));
        }
        let budget = Budget::new(self.options.max_bytes.saturating_mul(FILES_TOGETHER));
        // Named futures in a list: of a closure that makes them the compiler cannot tell that it may cross threads.
        let mut fetching = Vec::with_capacity(distinct.len());
        for url in distinct {
            fetching.push(self.fetch_within(url, &budget));
        }
        let media: Vec<Media> = stream::iter(fetching).buffered(AT_ONCE).try_collect().await?;
        Ok(urls.iter().filter_map(|url| media.get(*places.get(url)?).cloned()).collect())
    }

    async fn fetch_within(&self, url: &str, budget: &Budget) -> Result<Media, Error> {
        if !self.options.enabled {
            return Err(Reason::Disabled.into_error(url));
        }
        let fetched = tokio::time::timeout(self.options.timeout, self.follow(url, budget)).await;
        let fetched = fetched.unwrap_or(Err(Reason::Timeout(self.options.timeout)));
        fetched.map_err(|reason| reason.into_error(url))
    }

    /// From the URL over its redirects to the file.
    async fn follow(&self, text: &str, budget: &Budget) -> Result<Media, Reason> {
        let mut url = url::parse(text)?;
        for _ in 0..=self.options.redirects {
            let response = self.get(&url).await?;
            let Some(location) = redirect(&response)? else {
                return self.read(response, budget).await;
            };
            url = url::redirected(&url, location)?;
        }
        Err(Reason::Redirects(self.options.redirects))
    }

    async fn get(&self, url: &Url) -> Result<Response<RawBody>, Reason> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::try_from(url.as_str()).map_err(|_| Reason::Malformed)?;
        let agent = concat!("weir/", env!("CARGO_PKG_VERSION"));
        for (name, value) in
            [(header::ACCEPT, "*/*"), (header::ACCEPT_ENCODING, "identity"), (header::USER_AGENT, agent)]
        {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        self.client.request(request).await.map_err(|error| Reason::before_answer(&error))
    }

    /// The file in an answer that is no redirect.
    async fn read(&self, response: Response<RawBody>, budget: &Budget) -> Result<Media, Reason> {
        if response.status() != StatusCode::OK {
            return Err(Reason::Status(response.status()));
        }
        let (head, body) = response.into_parts();
        let encoding = Encoding::of(&head.headers).map_err(Reason::UnknownEncoding)?;
        let limit = self.options.max_bytes;
        let mut bytes = receive(body, limit, budget).await?;
        if let Some(encoding) = encoding {
            let decoded = decode_all(encoding, &bytes, limit).map_err(|error| Reason::decoding(&error, limit))?;
            budget.take(decoded.len().saturating_sub(bytes.len()))?;
            bytes = decoded;
        }
        if bytes.is_empty() {
            return Err(Reason::Empty);
        }
        let claimed = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Media { media_type: media_type::of(claimed, &bytes)?, bytes })
    }
}

/// Where an answer redirects to, if it does.
fn redirect(response: &Response<RawBody>) -> Result<Option<&str>, Reason> {
    // 300 leaves the choice to a person, 304 answers a question that was not asked: neither is followed.
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    location.map(Some).ok_or(Reason::RedirectToNowhere)
}

/// The body as it is sent.
async fn receive(mut body: RawBody, limit: usize, budget: &Budget) -> Result<Bytes, Reason> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Reason::TooLarge(limit));
    }
    let mut whole = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Reason::Broken(fault::chain(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - whole.len() {
            return Err(Reason::TooLarge(limit));
        }
        budget.take(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

/// The bytes that the files of one request may have together.
struct Budget {
    limit: usize,
    left: AtomicUsize,
}

impl Budget {
    fn new(limit: usize) -> Self {
        Self { limit, left: AtomicUsize::new(limit) }
    }

    fn take(&self, bytes: usize) -> Result<(), Reason> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| Reason::TooLargeTogether(self.limit))
    }
}
