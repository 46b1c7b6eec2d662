//! From what a plugin wants sent to an HTTP request: its path and headers are checked, the operator's headers and the
//! credential added, in this order, so that a plugin can neither choose a host nor touch what the host owns.

use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{PathAndQuery, Uri};
use hyper::{Method, Request};

use super::credential::Credential;
use super::endpoint::Endpoint;
use super::{fault, path, sigv4};
use crate::error::Error;

/// More headers than this no upstream asks for.
const MOST_HEADERS: usize = 64;

/// Headers that belong to the connection, and so to nobody above it. All that start with `proxy-` do too.
const CONNECTION_HEADERS: [HeaderName; 10] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// A request as a plugin wants it. See [`Endpoint::send`].
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Any but `CONNECT`.
    pub method: Method,
    /// Path and query, appended to the base URL's. Starts with one `/`; visible ASCII without `\` and `#`; without `.`
    /// and `..` segments, however they are spelled.
    pub path: String,
    /// At most 64. None of the connection's, none that carries a credential, no cookie.
    pub headers: Vec<(String, String)>,
    /// The body, empty for none.
    pub body: Bytes,
    /// How to authenticate.
    pub credential: Credential,
    /// Whether a stream is expected. A stream is asked for uncompressed, since compressing holds events back; other
    /// answers may come in gzip. An upstream that compresses all the same is understood.
    pub accept_stream: bool,
    /// Sent as `x-request-id`, unless the plugin has set one.
    pub request_id: String,
}

impl Outgoing {
    /// `now` stands in the signature, if there is one.
    pub(super) fn into_request(self, endpoint: &Endpoint, now: SystemTime) -> Result<Request<Full<Bytes>>, Error> {
        if self.method == Method::CONNECT {
            return Err(fault::request_refused("the method is CONNECT"));
        }
        path::check(&self.path).map_err(fault::request_refused)?;
        let mut headers = self.checked_headers()?;
        if !headers.contains_key("x-request-id")
            && let Ok(id) = HeaderValue::from_maybe_shared(Bytes::from(self.request_id))
        {
            headers.insert("x-request-id", id);
        }
        for (name, value) in &endpoint.headers {
            headers.insert(name, value.clone());
        }
        let mut path = joined(&endpoint.base_path, &self.path, endpoint.base_query.as_deref());
        if let Some(secret) = &endpoint.secret {
            secret.apply(&self.credential, &mut headers, &mut path);
        }
        let uri = uri(endpoint, path)?;
        if let Credential::AwsSigv4 { service } = &self.credential
            && endpoint.secret.is_none()
        {
            let aws = endpoint.aws.as_ref().ok_or_else(|| fault::nothing_to_sign_with(&endpoint.provider))?;
            let signable = sigv4::Signable { method: self.method.as_str(), uri: &uri, body: &self.body };
            sigv4::sign(aws, service, now, &signable, &mut headers);
        }
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The plugin's headers and the defaults.
    fn checked_headers(&self) -> Result<HeaderMap, Error> {
        if self.headers.len() > MOST_HEADERS {
            return Err(fault::request_refused(format!("it has more than {MOST_HEADERS} headers")));
        }
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 8);
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| fault::request_refused("the name of a header is malformed"))?;
            if self.is_reserved(&name) {
                return Err(fault::request_refused(format!("the header `{name}` is not a plugin's to set")));
            }
            let value = HeaderValue::from_str(value)
                .map_err(|_| fault::request_refused(format!("the value of header `{name}` is not visible ASCII")))?;
            headers.append(name, value);
        }
        let accepted = if self.accept_stream { "identity" } else { "gzip" };
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        if !headers.contains_key(header::USER_AGENT) {
            let agent = concat!("weir/", env!("CARGO_PKG_VERSION"));
            headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        }
        Ok(headers)
    }

    fn is_reserved(&self, name: &HeaderName) -> bool {
        belongs_to_connection(name)
            || [header::AUTHORIZATION, header::COOKIE].contains(name)
            || self.credential.owns(name)
    }
}

/// Whether only the connection itself may set this header.
pub(super) fn belongs_to_connection(name: &HeaderName) -> bool {
    CONNECTION_HEADERS.contains(name) || name.as_str().starts_with("proxy-")
}

fn joined(base_path: &str, path: &str, base_query: Option<&str>) -> String {
    let mut joined =
        String::with_capacity(base_path.len() + path.len() + base_query.map_or(0, |query| query.len() + 1));
    joined.push_str(base_path);
    joined.push_str(path);
    if let Some(query) = base_query {
        joined.push(if path.contains('?') { '&' } else { '?' });
        joined.push_str(query);
    }
    joined
}

fn uri(endpoint: &Endpoint, path: String) -> Result<Uri, Error> {
    let malformed = |_| fault::request_refused("the path is malformed");
    let mut parts = hyper::http::uri::Parts::default();
    parts.scheme = Some(endpoint.scheme.clone());
    parts.authority = Some(endpoint.authority.clone());
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(path)).map_err(malformed)?);
    Uri::from_parts(parts).map_err(|_| fault::request_refused("the path is malformed"))
}

#[cfg(test)]
mod tests {
    use super::super::{AwsCredentials, EndpointOptions, Secret};
    use super::*;
    use crate::error::Cause;

    fn outgoing(path: &str, headers: &[(&str, &str)], credential: Credential) -> Outgoing {
        Outgoing {
            method: Method::POST,
            path: path.into(),
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: Bytes::from_static(b"{}"),
            credential,
            accept_stream: false,
            request_id: "req-1".into(),
        }
    }

    fn endpoint(base_url: &str) -> Endpoint {
        let mut options = EndpointOptions::new("test", base_url.parse().unwrap());
        options.secret = Some(Secret::from("s3cr&t"));
        options.headers = vec![(HeaderName::from_static("x-team"), HeaderValue::from_static("operator"))];
        Endpoint::new(options).unwrap()
    }

    #[test]
    fn paths_and_queries_are_joined_to_the_base_url() {
        let by_query = || Credential::Query("key".into());
        for (base, path, credential, expected) in [
            ("http://host", "/a", Credential::None, "http://host/a"),
            ("http://host/", "/a", Credential::None, "http://host/a"),
            ("https://host:8443/v1/", "/a/b?c=d", Credential::Bearer, "https://host:8443/v1/a/b?c=d"),
            ("http://host/v1?version=2", "/a", Credential::None, "http://host/v1/a?version=2"),
            ("http://host/v1?version=2", "/a?b", by_query(), "http://host/v1/a?b&version=2&key=s3cr%26t"),
            ("http://[::1]:80", "/a", by_query(), "http://[::1]:80/a?key=s3cr%26t"),
        ] {
            let request =
                outgoing(path, &[], credential).into_request(&endpoint(base), SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(request.uri().to_string(), expected);
        }
    }

    #[test]
    fn the_operator_and_the_credential_have_the_last_word_on_headers() {
        let name = HeaderName::from_static("x-api-key");
        let wanted = [("x-team", "plugin"), ("content-type", "application/json"), ("x-many", "1"), ("x-many", "2")];
        let outgoing = outgoing("/", &wanted, Credential::Header(name));
        let request = outgoing.into_request(&endpoint("http://host"), SystemTime::UNIX_EPOCH).unwrap();
        let shown =
            |name| request.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(shown("x-team"), ["operator"]);
        assert_eq!(shown("x-api-key"), ["s3cr&t"]);
        assert_eq!(shown("x-many"), ["1", "2"]);
        assert_eq!(shown("accept-encoding"), ["gzip"]);
        assert_eq!(shown("x-request-id"), ["req-1"]);
        assert!(shown("user-agent")[0].starts_with("weir/"));
        assert!(!format!("{request:?}").contains("s3cr"));
    }

    #[test]
    fn a_stream_is_asked_for_uncompressed() {
        let outgoing = Outgoing { accept_stream: true, ..outgoing("/", &[], Credential::None) };
        let request = outgoing.into_request(&endpoint("http://host"), SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(request.headers()["accept-encoding"], "identity");
    }

    #[test]
    fn a_plugin_may_not_set_what_the_host_owns() {
        let many = vec![("x", "y"); MOST_HEADERS + 1];
        let refused: [(&str, &[(&str, &str)]); 14] = [
            ("//host/", &[]),
            ("/a", &[("host", "other.example")]),
            ("/a", &[("Host", "other.example")]),
            ("/a", &[("content-length", "5")]),
            ("/a", &[("transfer-encoding", "chunked")]),
            ("/a", &[("connection", "close")]),
            ("/a", &[("authorization", "Bearer x")]),
            ("/a", &[("cookie", "a=b")]),
            ("/a", &[("proxy-authorization", "x")]),
            ("/a", &[("X-Key", "mine")]),
            ("/a", &[("a b", "c")]),
            ("/a", &[(":authority", "other.example")]),
            ("/a", &[("a", "b\r\nhost: other.example")]),
            ("/a", &many),
        ];
        let endpoint = endpoint("http://host");
        for (path, headers) in refused {
            let credential = Credential::Header(HeaderName::from_static("x-key"));
            let error =
                outgoing(path, headers, credential).into_request(&endpoint, SystemTime::UNIX_EPOCH).unwrap_err();
            assert_eq!(error.cause, Cause::Plugin, "{path} {headers:?}");
        }
        let credential = Credential::AwsSigv4 { service: "service".into() };
        for name in ["x-amz-date", "x-amz-security-token"] {
            let error = outgoing("/a", &[(name, "mine")], credential.clone());
            assert_eq!(error.into_request(&endpoint, SystemTime::UNIX_EPOCH).unwrap_err().cause, Cause::Plugin);
        }
        let connect = Outgoing { method: Method::CONNECT, ..outgoing("/", &[], Credential::None) };
        assert_eq!(connect.into_request(&endpoint, SystemTime::UNIX_EPOCH).unwrap_err().cause, Cause::Plugin);
    }

    #[test]
    fn a_request_that_has_to_be_signed_is_signed_last_or_goes_with_an_api_key() {
        let aws = |key: &str| {
            let (access_key_id, secret_access_key) = (Secret::from("AKIDEXAMPLE"), Secret::from(key));
            Some(AwsCredentials { region: "us-east-1".into(), access_key_id, secret_access_key, session_token: None })
        };
        let request = |secret: Option<&str>, aws: Option<AwsCredentials>| {
            let mut options = EndpointOptions::new("test", "https://host/base".parse().unwrap());
            (options.secret, options.aws) = (secret.map(Secret::from), aws);
            options.headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/x"))];
            let credential = Credential::AwsSigv4 { service: "service".into() };
            outgoing("/a", &[("content-type", "application/json")], credential)
                .into_request(&Endpoint::new(options).unwrap(), SystemTime::UNIX_EPOCH)
        };
        let signed = request(None, aws("s3cret")).unwrap();
        let authorization = signed.headers()["authorization"].to_str().unwrap();
        let expected = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/19700101/us-east-1/service/aws4_request, \
            SignedHeaders=content-type;host;x-amz-date, Signature=";
        assert!(authorization.starts_with(expected), "{authorization}");
        assert_eq!(signed.headers()["x-amz-date"], "19700101T000000Z");
        assert!(!format!("{signed:?}").contains("AKID"));
        for aws in [None, aws("s3cret")] {
            let with_key = request(Some("k3y"), aws).unwrap();
            assert_eq!(with_key.headers()["authorization"], "Bearer k3y");
            assert!(!with_key.headers().contains_key("x-amz-date"));
        }
        for (secret, aws) in [(None, None), (Some(""), aws(""))] {
            let error = request(secret, aws).unwrap_err();
            assert_eq!(error.cause, Cause::Authentication);
            assert!(error.message.contains("`aws`") && error.message.contains("`api_key`"), "{error}");
        }
    }

    #[test]
    fn options_that_no_request_could_be_sent_with_are_refused() {
        for url in ["/v1", "ftp://host", "http://user:pass@host"] {
            assert!(Endpoint::new(EndpointOptions::new("test", url.parse().unwrap())).is_err(), "{url}");
        }
        let good = || EndpointOptions::new("test", "http://host".parse().unwrap());
        let secret = Some(Secret::from("s3cret\n"));
        let error = Endpoint::new(EndpointOptions { secret, ..good() }).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        let key = || Secret::from("s3cret");
        let session_token = Some(Secret::from("s3cret\n"));
        let region = "us-east-1".to_owned();
        let aws = Some(AwsCredentials { region, access_key_id: key(), secret_access_key: key(), session_token });
        let error = Endpoint::new(EndpointOptions { aws, ..good() }).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        let headers = vec![(header::HOST, HeaderValue::from_static("other"))];
        assert!(Endpoint::new(EndpointOptions { headers, ..good() }).is_err());
        let ca_file = Some("/nonexistent.pem".into());
        assert!(Endpoint::new(EndpointOptions { ca_file, ..good() }).is_err());
    }
}
