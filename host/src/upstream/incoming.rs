//! An upstream's answer: its head, and a body that is still to be read.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming as RawBody};
use hyper::header::{self, HeaderName};
use hyper::{HeaderMap, Response, StatusCode};

use super::encoding::{Decoder, Encoding};
use super::events::Events;
use super::fault;
use super::framing::Framing;
use super::lanes::Lease;
use crate::error::Error;

/// Headers that say something about the connection or the encoding, which end here, or that would follow a client.
const NOT_PASSED_ON: [HeaderName; 11] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::PROXY_AUTHENTICATE,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// An answer whose head has arrived. Dropping it cancels the call.
#[derive(Debug)]
pub struct Incoming {
    /// The status: anything but 1xx and 3xx, and 304 only if that was asked for.
    pub status: StatusCode,
    /// The headers, without those of the connection, of the body's length and encoding, and without cookies.
    pub headers: HeaderMap,
    encoding: Result<Option<Encoding>, String>,
    body: Body,
}

impl Incoming {
    pub(super) fn new(response: Response<RawBody>, lease: Lease) -> Self {
        let (mut head, raw) = response.into_parts();
        let encoding = Encoding::of(&head.headers);
        for name in NOT_PASSED_ON {
            head.headers.remove(name);
        }
        let body = Body { raw, decoder: None, ahead: Bytes::new(), _lease: lease };
        Self { status: head.status, headers: head.headers, encoding, body }
    }

    /// Reads the whole body, decompressed.
    ///
    /// # Errors
    /// More than `limit` bytes, a body cut off or in an unknown encoding (`Cause::BadAnswer`), or nothing new for
    /// `idle` (`Cause::Timeout`).
    pub async fn whole(mut self, limit: usize, idle: Duration) -> Result<Bytes, Error> {
        self.read(limit, idle).await
    }

    /// The same where the answer goes on, with what is [put back](Self::put_back).
    ///
    /// # Errors
    /// As for [`Self::whole`].
    pub async fn read(&mut self, limit: usize, idle: Duration) -> Result<Bytes, Error> {
        self.set_decoder()?;
        let body = &mut self.body;
        let announced = body.raw.size_hint().lower();
        if announced > limit as u64 {
            return Err(fault::body_too_large(limit));
        }
        let mut next = async |room: usize| match tokio::time::timeout(idle, body.chunk(room, limit)).await {
            Ok(chunk) => chunk.transpose(),
            Err(_) => Err(fault::idle(idle)),
        };
        // Most answers are one frame: that is not copied.
        let Some(first) = next(limit).await? else { return Ok(Bytes::new()) };
        check_size(first.len(), limit)?;
        let Some(second) = next(limit - first.len()).await? else { return Ok(first) };
        let mut whole = Vec::with_capacity((first.len() + second.len()).max(announced as usize));
        whole.extend_from_slice(&first);
        let mut frame = Some(second);
        while let Some(bytes) = frame {
            check_size(whole.len() + bytes.len(), limit)?;
            whole.extend_from_slice(&bytes);
            frame = next(limit - whole.len()).await?;
        }
        Ok(whole.into())
    }

    /// The first byte of the body that is not white space. What it looks at stays to be read.
    ///
    /// # Errors
    /// As for [`Self::whole`].
    pub async fn first_byte(&mut self, limit: usize, idle: Duration) -> Result<Option<u8>, Error> {
        self.set_decoder()?;
        let mut ahead = BytesMut::new();
        let found = loop {
            let Ok(chunk) = tokio::time::timeout(idle, self.body.chunk(limit, limit)).await else {
                return Err(fault::idle(idle));
            };
            let Some(chunk) = chunk.transpose()? else { break None };
            check_size(ahead.len() + chunk.len(), limit)?;
            ahead.extend_from_slice(&chunk);
            if let Some(byte) = chunk.iter().find(|byte| !byte.is_ascii_whitespace()) {
                break Some(*byte);
            }
        };
        self.body.ahead = ahead.freeze();
        Ok(found)
    }

    /// Has these bytes read next, in place of those that were read.
    pub fn put_back(&mut self, bytes: Bytes) {
        self.body.ahead = bytes;
    }

    /// Reads the body event by event. `event_limit` is the most bytes of one event.
    ///
    /// # Errors
    /// A body in an unknown encoding (`Cause::BadAnswer`).
    pub fn events(self, framing: Framing, event_limit: usize) -> Result<Events, Error> {
        Ok(Events::new(self.decoded()?, framing, event_limit))
    }

    fn decoded(mut self) -> Result<Body, Error> {
        self.set_decoder()?;
        Ok(self.body)
    }

    /// Sets up the decompression, once.
    fn set_decoder(&mut self) -> Result<(), Error> {
        let encoding = std::mem::replace(&mut self.encoding, Ok(None));
        if let Some(encoding) = encoding.map_err(|name| fault::unknown_encoding(&name))? {
            self.body.decoder = Some(Decoder::new(encoding));
        }
        Ok(())
    }
}

fn check_size(size: usize, limit: usize) -> Result<(), Error> {
    if size > limit { Err(fault::body_too_large(limit)) } else { Ok(()) }
}

/// A body on its way.
#[derive(Debug)]
pub(super) struct Body {
    raw: RawBody,
    decoder: Option<Decoder>,
    /// Decompressed bytes that were looked at and still have to be read.
    ahead: Bytes,
    /// The place on its connection that the call takes until the body is dropped.
    _lease: Lease,
}

impl Body {
    /// The next decompressed bytes, never none of them; no more than there is `room` for from one frame. `None` at the
    /// end. `limit` is what the error says if there is more. May be dropped while it waits.
    pub(super) async fn chunk(&mut self, room: usize, limit: usize) -> Option<Result<Bytes, Error>> {
        if !self.ahead.is_empty() {
            return Some(Ok(std::mem::take(&mut self.ahead)));
        }
        while let Some(frame) = self.raw.frame().await {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => return Some(Err(fault::during_answer(&error))),
            };
            // Trailers say nothing of use.
            let Ok(data) = frame.into_data() else { continue };
            let decoded = match &mut self.decoder {
                None => Ok(data),
                Some(decoder) => decoder.decode(&data, room).map_err(|error| fault::decoding(&error, limit)),
            };
            if !matches!(&decoded, Ok(bytes) if bytes.is_empty()) {
                return Some(decoded);
            }
        }
        let rest = self.decoder.take()?.finish(room).map_err(|error| fault::decoding(&error, limit));
        if matches!(&rest, Ok(bytes) if bytes.is_empty()) { None } else { Some(rest) }
    }
}
