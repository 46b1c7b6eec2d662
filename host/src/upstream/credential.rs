//! A provider's secret, and the ways to show it to an upstream. It is applied at the last moment, after everything
//! that a plugin had a say in, and appears in no `Debug` output, error or log line.

use std::fmt;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, InvalidHeaderValue};

use super::sigv4;

/// A secret as configured. Its text leaves this type only on its way to the upstream.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Whether there is nothing in it, as when an environment variable was empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, to be put into a request.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into_boxed_str())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// Credentials of AWS, which sign requests and are never sent themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsCredentials {
    /// The region that requests go to (`eu-central-1`).
    pub region: String,
    /// The name of the key.
    pub access_key_id: Secret,
    /// The key.
    pub secret_access_key: Secret,
    /// What credentials that are temporary have besides. An empty one is none.
    pub session_token: Option<Secret>,
}

impl AwsCredentials {
    /// Whether there are none, as when environment variables were empty.
    pub(super) fn is_empty(&self) -> bool {
        self.access_key_id.is_empty() || self.secret_access_key.is_empty()
    }

    /// The same without an empty session token.
    ///
    /// # Errors
    /// When something of them that is sent holds a character that cannot stand in a header.
    pub(super) fn checked(mut self) -> Result<Self, InvalidHeaderValue> {
        self.session_token = self.session_token.filter(|token| !token.is_empty());
        let token = self.session_token.as_ref().map_or("", Secret::reveal);
        for sent in [&self.region, self.access_key_id.reveal(), token] {
            HeaderValue::from_str(sent)?;
        }
        Ok(self)
    }
}

/// How to authenticate a request. Without a configured secret each of them but [`Credential::AwsSigv4`] does nothing, so
/// that a local upstream that wants no key needs no setting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Credential {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Bearer <secret>`.
    Bearer,
    /// The secret as the value of this header.
    Header(HeaderName),
    /// The secret as the value of this query parameter.
    Query(String),
    /// Signed with AWS Signature Version 4. A configured secret is an API key, which goes as a bearer token in place of
    /// a signature: so do the SDKs of AWS.
    AwsSigv4 {
        /// What AWS calls the service (`bedrock`).
        service: String,
    },
}

impl Credential {
    /// Whether this header carries the credential: nobody else may set it.
    pub(super) fn owns(&self, name: &HeaderName) -> bool {
        match self {
            Self::None | Self::Query(_) => false,
            Self::Bearer => name == AUTHORIZATION,
            Self::Header(own) => name == own,
            Self::AwsSigv4 { .. } => [AUTHORIZATION, sigv4::DATE, sigv4::SECURITY_TOKEN].contains(name),
        }
    }
}

/// A secret in each of the forms in which it can be applied, made once.
#[derive(Debug)]
pub(super) struct Applicable {
    plain: HeaderValue,
    bearer: HeaderValue,
    query: Secret,
}

impl Applicable {
    /// # Errors
    /// When the secret holds a character that cannot stand in a header: most often a line end at its end.
    pub(super) fn new(secret: &Secret) -> Result<Self, InvalidHeaderValue> {
        let mut plain = HeaderValue::from_str(&secret.0)?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", secret.0))?;
        // Sensitive values are left out of Debug output and of HTTP/2's compression tables.
        plain.set_sensitive(true);
        bearer.set_sensitive(true);
        let mut query = String::with_capacity(secret.0.len());
        percent_encode(secret.0.as_bytes(), &mut query);
        Ok(Self { plain, bearer, query: Secret::from(query) })
    }

    /// Adds the secret to the headers or to the path and query.
    pub(super) fn apply(&self, credential: &Credential, headers: &mut HeaderMap, path: &mut String) {
        match credential {
            Credential::None => {}
            Credential::Bearer | Credential::AwsSigv4 { .. } => {
                headers.insert(AUTHORIZATION, self.bearer.clone());
            }
            Credential::Header(name) => {
                headers.insert(name.clone(), self.plain.clone());
            }
            Credential::Query(name) => {
                path.push(if path.contains('?') { '&' } else { '?' });
                percent_encode(name.as_bytes(), path);
                path.push('=');
                path.push_str(&self.query.0);
            }
        }
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(super) fn percent_encode(text: &[u8], into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(byte as char);
        } else {
            into.push('%');
            into.push(DIGITS[usize::from(byte >> 4)] as char);
            into.push(DIGITS[usize::from(byte & 15)] as char);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies `s3cr&t ` and shows the path and the one header that came of it.
    fn applied(credential: &Credential, path: &str) -> (String, Option<(String, HeaderValue)>) {
        let mut headers = HeaderMap::new();
        let mut path = path.to_owned();
        Applicable::new(&Secret::from("s3cr&t")).unwrap().apply(credential, &mut headers, &mut path);
        let header = headers.iter().next().map(|(name, value)| (name.as_str().to_owned(), value.clone()));
        (path, header)
    }

    #[test]
    fn each_credential_puts_the_secret_in_its_own_place() {
        assert_eq!(applied(&Credential::None, "/a"), ("/a".into(), None));
        let (path, header) = applied(&Credential::Bearer, "/a");
        assert_eq!((path, header), ("/a".into(), Some(("authorization".into(), "Bearer s3cr&t".parse().unwrap()))));
        let (path, header) = applied(&Credential::Header(HeaderName::from_static("x-api-key")), "/a?b=1");
        assert_eq!((path, header), ("/a?b=1".into(), Some(("x-api-key".into(), "s3cr&t".parse().unwrap()))));
        let by_query = Credential::Query("key".into());
        assert_eq!(applied(&by_query, "/a"), ("/a?key=s3cr%26t".into(), None));
        assert_eq!(applied(&by_query, "/a?b=1"), ("/a?b=1&key=s3cr%26t".into(), None));
        let (path, header) = applied(&Credential::AwsSigv4 { service: "service".into() }, "/a");
        assert_eq!((path, header), ("/a".into(), Some(("authorization".into(), "Bearer s3cr&t".parse().unwrap()))));
    }

    #[test]
    fn a_secret_is_in_no_debug_output() {
        let secret = Secret::from("s3cr&t");
        let applicable = Applicable::new(&secret).unwrap();
        let aws = AwsCredentials {
            region: "us-east-1".into(),
            access_key_id: secret.clone(),
            secret_access_key: secret.clone(),
            session_token: Some(secret.clone()),
        };
        let shown = format!("{secret:?} {applicable:?} {aws:?} {:?}", applied(&Credential::Bearer, "/"));
        assert!(!shown.contains("s3cr"), "{shown}");
    }

    #[test]
    fn a_secret_with_a_line_end_is_refused() {
        assert!(Applicable::new(&Secret::from("secret\n")).is_err());
    }
}
