//! Reads a client's request body: once, within its limit, decompressed.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request, StatusCode};

use crate::error::{Cause, Error};
use crate::server::Refusal;
use crate::upstream::{DecodeError, Encoding, decode_all};

/// The whole body of a JSON request. `limit` is in bytes, before and after decompression.
pub(super) async fn read(request: Request<Incoming>, limit: usize) -> Result<(HeaderMap, Bytes), Error> {
    check_type(request.headers())?;
    let encoding = Encoding::of(request.headers()).map_err(|name| unsupported_encoding(&name))?;
    let (head, body) = request.into_parts();
    let body = collect(body, limit).await?;
    let body = match encoding {
        None => body,
        Some(encoding) => decode_all(encoding, &body, limit).map_err(|error| undecodable(&error, limit))?,
    };
    Ok((head.headers, body))
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Error> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large(limit));
    }
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    let mut whole: Option<BytesMut> = None;
    let mut size = first.len();
    while let Some(bytes) = next(&mut body).await? {
        size += bytes.len();
        if size > limit {
            return Err(too_large(limit));
        }
        // Most requests are one frame: that is not copied.
        let whole = whole.get_or_insert_with(|| {
            let mut whole = BytesMut::with_capacity(size.max(usize::try_from(announced).unwrap_or(0)));
            whole.extend_from_slice(&first);
            whole
        });
        whole.extend_from_slice(&bytes);
    }
    if size > limit {
        return Err(too_large(limit));
    }
    Ok(whole.map_or(first, BytesMut::freeze))
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(error) => return Err(broken_off(&error)),
        }
    }
    Ok(None)
}

fn broken_off(error: &hyper::Error) -> Error {
    match Refusal::within(error) {
        Some(refusal) => refusal.into(),
        None => Error::invalid_request("The request body ended before it was complete.").with_detail(error.to_string()),
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Error> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let suffix = kind.len().checked_sub("+json".len()).and_then(|start| kind.get(start..));
    if kind.eq_ignore_ascii_case("application/json") || suffix.is_some_and(|it| it.eq_ignore_ascii_case("+json")) {
        return Ok(());
    }
    let message = "The request must be JSON: send it with `Content-Type: application/json`.";
    let error = Error::invalid_request(message).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    Err(error.with_code("unsupported_media_type"))
}

fn too_large(limit: usize) -> Error {
    let message = format!("The request body is over the limit of {limit} bytes (`limits.body_bytes`).");
    let error = Error::new(Cause::InvalidRequest, message).with_status(StatusCode::PAYLOAD_TOO_LARGE);
    error.with_code("request_too_large")
}

fn unsupported_encoding(name: &str) -> Error {
    let name: String = name.chars().filter(char::is_ascii_graphic).take(32).collect();
    let message = format!("The Content-Encoding `{name}` is not known. Send gzip, deflate, br, zstd, or none.");
    let error = Error::invalid_request(message).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    error.with_code("unsupported_content_encoding")
}

fn undecodable(error: &DecodeError, limit: usize) -> Error {
    match error {
        DecodeError::TooLarge => too_large(limit),
        _ => Error::invalid_request("The request body is not what its Content-Encoding says."),
    }
}
