//! AWS Signature Version 4: a request with proof that whoever sent it holds the secret key, which is not in it.
//!
//! A function from data to data: the time is given, and the same request at the same time has the same signature.
//! Source: "Create a signed AWS API request" in the reference of AWS Identity and Access Management, with the rules
//! for paths that hold for all but Amazon S3.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::SystemTime;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{Scheme, Uri};
use sha2::{Digest, Sha256};

use super::credential::{AwsCredentials, percent_encode};

/// When the request was signed.
pub(super) const DATE: HeaderName = HeaderName::from_static("x-amz-date");
/// What temporary credentials have besides their key.
pub(super) const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What is signed of a request.
pub(super) struct Signable<'a> {
    pub(super) method: &'a str,
    /// The whole URL, as it will be asked for.
    pub(super) uri: &'a Uri,
    pub(super) body: &'a [u8],
}

/// Adds the headers that prove the request to `headers`: the time, the session token if there is one, and
/// `authorization`. `service` is the name under which AWS knows what is called (`bedrock`).
///
/// Of the headers that are there, `content-type` and all `x-amz-` ones become part of the signature. What proxies on
/// the way may change, such as `accept-encoding`, does not.
pub(super) fn sign(
    credentials: &AwsCredentials,
    service: &str,
    now: SystemTime,
    request: &Signable<'_>,
    headers: &mut HeaderMap,
) {
    let time = timestamp(now);
    headers.insert(DATE, sensitive(&time));
    headers.remove(SECURITY_TOKEN);
    if let Some(token) = &credentials.session_token {
        headers.insert(SECURITY_TOKEN, sensitive(token.reveal()));
    }
    let signed = signed_headers(request.uri, headers);
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let canonical = canonical_request(request, &signed, &names);
    let scope = format!("{}/{}/{service}/aws4_request", &time[..8], credentials.region);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let key = signing_key(credentials, &time[..8], service);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
        credentials.access_key_id.reveal(),
        hex(&hmac(&key, text.as_bytes()))
    );
    drop(signed);
    headers.insert(header::AUTHORIZATION, sensitive(&authorization));
}

/// The headers that are signed, in the order of their names, with what the connection will send as `host`.
fn signed_headers<'h>(uri: &'h Uri, headers: &'h HeaderMap) -> Vec<(&'h str, Cow<'h, str>)> {
    let wanted = |name: &&HeaderName| **name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz-");
    let values = |name: &HeaderName| -> String {
        let values: Vec<String> = headers.get_all(name).iter().map(single_spaced).collect();
        values.join(",")
    };
    let others = headers.keys().filter(wanted).map(|name| (name.as_str(), Cow::Owned(values(name))));
    let mut signed: Vec<_> = std::iter::once(("host", host(uri))).chain(others).collect();
    signed.sort_unstable_by_key(|(name, _)| *name);
    signed
}

/// The value without spaces around it, and with one where there are several.
fn single_spaced(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// The header `host` as the connection writes it: without the port that goes without saying.
fn host(uri: &Uri) -> Cow<'_, str> {
    let default = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
    let host = uri.host().unwrap_or_default();
    match uri.port_u16().filter(|port| *port != default) {
        Some(port) => Cow::Owned(format!("{host}:{port}")),
        None => Cow::Borrowed(host),
    }
}

fn canonical_request(request: &Signable<'_>, signed: &[(&str, Cow<'_, str>)], names: &str) -> String {
    let mut canonical = String::with_capacity(512);
    canonical.push_str(request.method);
    canonical.push('\n');
    push_path(&mut canonical, request.uri.path());
    canonical.push('\n');
    push_query(&mut canonical, request.uri.query().unwrap_or_default());
    canonical.push('\n');
    for (name, value) in signed {
        canonical.extend([*name, ":", &**value, "\n"]);
    }
    canonical.extend(["\n", names, "\n", &hex(&Sha256::digest(request.body))]);
    canonical
}

/// The path without empty and dot segments, each segment encoded as it stands: what is encoded already is so twice.
fn push_path(into: &mut String, path: &str) {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    for segment in &segments {
        into.push('/');
        percent_encode(segment.as_bytes(), into);
    }
    if segments.is_empty() || path.ends_with('/') {
        into.push('/');
    }
}

/// The parameters in the order of their names and values, in one spelling however they are encoded.
fn push_query(into: &mut String, query: &str) {
    let encoded = |text: &str| {
        let mut encoded = String::with_capacity(text.len());
        percent_encode(&percent_decoded(text), &mut encoded);
        encoded
    };
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let mut parameters: Vec<(String, String)> = parameters
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    parameters.sort_unstable();
    for (index, (name, value)) in parameters.iter().enumerate() {
        into.extend([if index == 0 { "" } else { "&" }, name, "=", value]);
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |place: usize| char::from(*after.get(place)?).to_digit(16);
        rest = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                &after[2..]
            }
            _ => {
                bytes.push(first);
                after
            }
        };
    }
    bytes
}

/// The key of one day, region and service.
fn signing_key(credentials: &AwsCredentials, date: &str, service: &str) -> [u8; 32] {
    let secret = format!("AWS4{}", credentials.secret_access_key.reveal());
    let steps = [date, &credentials.region, service, "aws4_request"];
    let mut steps = steps.into_iter().map(str::as_bytes);
    let first = hmac(secret.as_bytes(), steps.next().unwrap_or_default());
    steps.fold(first, |key, step| hmac(&key, step))
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// The time as `20150830T123600Z`, put together from the pieces of an HTTP date: `Sun, 30 Aug 2015 12:36:00 GMT`.
fn timestamp(time: SystemTime) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let date = httpdate::fmt_http_date(time);
    let month = MONTHS.find(&date[8..11]).unwrap_or_default() / 3 + 1;
    let (day, year, hour, minute, second) = (&date[5..7], &date[12..16], &date[17..19], &date[20..22], &date[23..25]);
    format!("{year}{month:02}{day}T{hour}{minute}{second}Z")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A value that is left out of Debug output. All that is put together here can stand in a header: what is not of this
/// module was checked when the endpoint was made.
fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests;
