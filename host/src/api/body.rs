//! Reads a client's request body: once, within its limits of size and time, decompressed.
//!
//! That a body pauses too long is noticed by the server too, but over HTTP/1 only: the pieces of an HTTP/2 body share
//! their connection with everything else. How long a whole body takes is noticed here alone.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::error::{Cause, Error};
use crate::server::Refusal;
use crate::upstream::{DecodeError, Encoding, decode_all};

/// How much a body may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Its size, before and after decompression.
    pub(super) bytes: usize,
    /// The time between two of its pieces.
    pub(super) pause: Duration,
    /// The time from its head to its end.
    pub(super) total: Duration,
}

/// The whole body of a JSON request.
pub(super) async fn read(request: Request<Incoming>, limits: &Limits) -> Result<(HeaderMap, Bytes), Error> {
    check_type(request.headers())?;
    let encoding = Encoding::of(request.headers()).map_err(|name| unsupported_encoding(&name))?;
    let (head, body) = request.into_parts();
    let body = collect(body, limits).await?;
    let limit = limits.bytes;
    let body = match encoding {
        None => body,
        Some(encoding) => decode_all(encoding, &body, limit).map_err(|error| undecodable(&error, limit))?,
    };
    Ok((head.headers, body))
}

async fn collect<B>(body: B, limits: &Limits) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: StdError + 'static,
{
    let limit = limits.bytes;
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large(limit));
    }
    let mut pieces = Pieces { body, pause: limits.pause, total: limits.total, end: Instant::now() + limits.total };
    let Some(first) = pieces.next().await? else { return Ok(Bytes::new()) };
    let mut whole: Option<BytesMut> = None;
    let mut size = first.len();
    while let Some(bytes) = pieces.next().await? {
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

/// The pieces of a body, each in time.
struct Pieces<B> {
    body: B,
    pause: Duration,
    total: Duration,
    /// When the last one has to be there.
    end: Instant,
}

impl<B> Pieces<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: StdError + 'static,
{
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = self.frame().await? {
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// One timer, and none for a frame that is there already.
    async fn frame(&mut self) -> Result<Option<Frame<Bytes>>, Error> {
        let pause = Instant::now() + self.pause;
        match timeout_at(pause.min(self.end), self.body.frame()).await {
            Ok(frame) => frame.transpose().map_err(|error| broken_off(&error)),
            Err(_) if pause < self.end => Err(too_slow("The request's body stopped arriving.")),
            Err(_) => {
                let limit = self.total.as_secs_f32();
                Err(too_slow(format!("The request's body took longer than {limit} s (`client_timeouts.body_total`).")))
            }
        }
    }
}

fn broken_off(error: &(dyn StdError + 'static)) -> Error {
    match Refusal::within(error) {
        Some(refusal) => refusal.into(),
        None => Error::invalid_request("The request body ended before it was complete.").with_detail(error.to_string()),
    }
}

fn too_slow(message: impl Into<String>) -> Error {
    let error = Error::new(Cause::Timeout, message).with_status(StatusCode::REQUEST_TIMEOUT);
    error.with_kind("invalid_request_error")
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

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::StreamBody;

    use super::*;

    const LIMITS: Limits = Limits { bytes: 1000, pause: Duration::from_secs(30), total: Duration::from_secs(300) };

    /// A body of pieces of this size, each after a wait of so many seconds.
    fn body(piece: usize, waits: &[u64]) -> impl Body<Data = Bytes, Error = std::io::Error> + Unpin {
        let pieces = stream::iter(waits.to_vec()).then(move |wait| async move {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            Ok(Frame::data(Bytes::from(vec![b'x'; piece])))
        });
        StreamBody::new(Box::pin(pieces))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_in_its_time_is_read_and_one_that_does_not_is_refused_at_its_limit() {
        for (waits, expected, seconds) in [
            (&[0][..], Ok(1), 0),
            (&[0, 0, 0], Ok(3), 0),
            (&[29; 10], Ok(10), 290),
            (&[1, 31], Err("stopped arriving"), 31),
            (&[31], Err("stopped arriving"), 30),
            // Every piece is in time, and the whole is not.
            (&[29; 11], Err("longer than 300 s"), 300),
            (&[1; 1000], Err("longer than 300 s"), 300),
        ] {
            let begun = Instant::now();
            // So small that it is the time that ends it.
            let read = collect(body(1, waits), &LIMITS).await;
            assert_eq!(begun.elapsed().as_secs(), seconds, "{waits:?}");
            match (read, expected) {
                (Ok(body), Ok(length)) => assert_eq!(body.len(), length),
                (Err(error), Err(text)) => {
                    assert!(error.message.contains(text), "{waits:?}: {error}");
                    assert_eq!(error.status, StatusCode::REQUEST_TIMEOUT);
                    assert_eq!((&*error.kind, error.code.as_deref()), ("invalid_request_error", Some("timeout")));
                }
                (read, _) => panic!("{waits:?}: {read:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_over_the_limit_is_refused_when_the_limit_is_passed() {
        let begun = Instant::now();
        let error = collect(body(400, &[1, 1, 1, 1, 1]), &LIMITS).await.unwrap_err();
        assert_eq!((error.status, begun.elapsed().as_secs()), (StatusCode::PAYLOAD_TOO_LARGE, 3));
    }
}
