//! The stream between a connection's socket and hyper: it shows hyper one well-formed HTTP/1 request at a time, and
//! disconnects a peer that stands still.
//!
//! The usual request arrives whole. Then the bytes go straight into hyper's buffer, where the [framing](super::framing)
//! is judged in place. Bytes are kept back, and so copied, only for:
//! - a head in several pieces, so that a bad head can be replaced before hyper has seen any of it;
//! - a request that was sent before the previous one was answered. If hyper had it, it would no longer notice that the
//!   client leaves.
//!
//! In place of a bad head hyper gets a small request of ours that asks to close the connection, and the service gets
//! the [`Refusal`]. So the answer comes in its turn, is a proper one, and nothing that follows is ever understood.
//!
//! HTTP/2 passes through, and only the time-out of writing applies.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadline::Deadline;
use super::exchange::Exchanges;
use super::framing::{self, Framing, HeadLimits, Verdict, Version};
use super::refusal::Refusal;

/// What hyper gets in place of a head that was refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
const HEAD_TOO_SLOW: Refusal = Refusal::too_slow("The request's head did not arrive in time.");
const BODY_TOO_SLOW: Refusal = Refusal::too_slow("The request's body stopped arriving.");
/// How long a connection that closes before it has read all that was sent keeps throwing bytes away. Without this the
/// kernel would reset the connection, and the client could lose the answer that explains why it was closed.
const LINGER: Duration = Duration::from_secs(1);
/// The size of the buffer for bytes that are read before it is known what for.
const SCRATCH_BYTES: usize = 4096;

/// How much a peer may send, and how long it may stand still.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The size of a head. As much is kept back of requests that were sent too early.
    pub head: HeadLimits,
    /// From the first byte of a head to its last.
    pub header_timeout: Duration,
    /// The longest pause within a request's body.
    pub body_timeout: Duration,
    /// The longest time without taking a byte that is there to be sent.
    pub write_timeout: Duration,
}

/// A stream that shows hyper what may be shown.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: S,
    exchanges: Arc<Exchanges>,
    limits: Limits,
    framing: Framing,
    phase: Phase,
    /// Bytes from the peer that hyper has not got.
    held: BytesMut,
    /// So many of the held bytes hyper may have.
    cleared: usize,
    /// Whether held bytes wait to be judged, and not for more bytes.
    is_unjudged: bool,
    is_shut_down: bool,
    reading: Deadline,
    writing: Deadline,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Between two requests, or within a head.
    Head,
    /// Within a body.
    Body,
    /// A request is complete; what comes now is for after its answer.
    Answer,
    /// The last request was refused; what follows does not count.
    Refused,
    /// The body under way cannot be continued.
    Broken(Refusal),
    /// HTTP/2: nothing is judged here.
    Frames,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guarded<S> {
    /// Guards a stream of which nothing was read.
    pub(super) fn new(stream: S, exchanges: Arc<Exchanges>, limits: Limits) -> Self {
        Self {
            stream,
            exchanges,
            limits,
            framing: Framing::new(limits.head),
            phase: Phase::Head,
            held: BytesMut::new(),
            cleared: 0,
            is_unjudged: false,
            is_shut_down: false,
            reading: Deadline::default(),
            writing: Deadline::default(),
        }
    }

    /// Reads until it is clear which HTTP the peer speaks; `None` when it leaves before. To be called once, first.
    pub(super) async fn version(&mut self) -> io::Result<Option<Version>> {
        poll_fn(|context| {
            loop {
                // On the stack, and only when the task is woken: a silent connection owns no buffer.
                let mut scratch = [MaybeUninit::uninit(); SCRATCH_BYTES];
                let mut buffer = ReadBuf::uninit(&mut scratch);
                ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
                if buffer.filled().is_empty() {
                    return Poll::Ready(Ok(None));
                }
                self.held.extend_from_slice(buffer.filled());
                self.exchanges.set_receiving(true);
                let version = framing::version(&self.held);
                match version {
                    None => continue,
                    Some(Version::One) => self.is_unjudged = true,
                    Some(Version::Two) => {
                        self.phase = Phase::Frames;
                        self.cleared = self.held.len();
                        self.exchanges.set_receiving(false);
                    }
                }
                return Poll::Ready(Ok(version));
            }
        })
        .await
    }

    /// Reads from the peer into the caller's buffer, and judges what may stay there.
    fn poll_receive(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<Received>> {
        let before = buffer.filled().len();
        if Pin::new(&mut self.stream).poll_read(context, buffer)?.is_pending() {
            return self.poll_reading_time(context).map(|refusal| {
                self.stop(refusal);
                Ok(Received::Nothing)
            });
        }
        let bytes = &buffer.filled()[before..];
        if bytes.is_empty() {
            return Poll::Ready(Ok(Received::End));
        }
        let is_head_begun = !self.held.is_empty();
        if is_head_begun || matches!(self.phase, Phase::Answer) {
            self.held.extend_from_slice(bytes);
            self.is_unjudged = true;
            buffer.set_filled(before);
            return Poll::Ready(Ok(Received::Nothing));
        }
        // A pause within a body ends with every byte.
        self.reading.disarm();
        let verdict = self.framing.judge(bytes);
        let (empty, passed) = self.settle(verdict, bytes.len());
        self.held.extend_from_slice(&bytes[empty + passed..]);
        buffer.set_filled(before + passed);
        self.begin_waiting(verdict);
        Poll::Ready(Ok(if passed > 0 { Received::Bytes } else { Received::Nothing }))
    }

    /// Judges the bytes that are held.
    fn judge_held(&mut self) {
        self.is_unjudged = false;
        let verdict = self.framing.judge(&self.held);
        let (empty, passed) = self.settle(verdict, self.held.len());
        self.held.advance(empty);
        self.cleared = passed;
        self.begin_waiting(verdict);
    }

    /// Moves to the phase after this verdict on `length` bytes. Returns how many of them are to be thrown away, and
    /// how many hyper may have after that.
    fn settle(&mut self, verdict: Verdict, length: usize) -> (usize, usize) {
        match verdict {
            Verdict::Partial { empty } => (empty, 0),
            Verdict::Refused(_) => (length, 0),
            Verdict::Pass => {
                self.phase = Phase::Body;
                (0, length)
            }
            Verdict::End(passed) => {
                self.phase = Phase::Answer;
                (0, passed)
            }
            Verdict::Broken(passed, refusal) => {
                self.stop_body(refusal);
                (0, passed)
            }
        }
    }

    /// What remains to be done after a verdict, once the bytes are where they belong.
    fn begin_waiting(&mut self, verdict: Verdict) {
        let is_waiting = matches!(verdict, Verdict::Partial { .. }) && !self.held.is_empty();
        self.exchanges.set_receiving(is_waiting);
        if !is_waiting {
            self.reading.disarm();
        }
        match verdict {
            Verdict::Refused(refusal) => self.refuse(refusal),
            Verdict::End(_) => self.is_unjudged = self.held.len() > self.cleared,
            _ => {}
        }
    }

    /// Ends the request that is arriving.
    fn stop(&mut self, refusal: Refusal) {
        match self.phase {
            Phase::Head => self.refuse(refusal),
            _ => self.stop_body(refusal),
        }
    }

    fn stop_body(&mut self, refusal: Refusal) {
        self.exchanges.set_broken();
        self.phase = Phase::Broken(refusal);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.exchanges.refuse(refusal);
        self.exchanges.set_receiving(false);
        self.held = BytesMut::from(STAND_IN);
        self.cleared = STAND_IN.len();
        self.phase = Phase::Refused;
    }

    /// Gives hyper as much as it may have and takes at once.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.cleared.min(buffer.remaining());
        buffer.put_slice(&self.held[..length]);
        self.held.advance(length);
        self.cleared -= length;
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }

    /// Ready when the peer has paused too long in the middle of a request. How long a connection may be idle between
    /// two requests is not decided here.
    fn poll_reading_time(&mut self, context: &mut Context<'_>) -> Poll<Refusal> {
        let (timeout, refusal) = match self.phase {
            Phase::Head if !self.held.is_empty() => (self.limits.header_timeout, HEAD_TOO_SLOW),
            Phase::Body => (self.limits.body_timeout, BODY_TOO_SLOW),
            _ => return Poll::Pending,
        };
        self.reading.arm(timeout);
        self.reading.poll(context).map(|()| refusal)
    }

    /// Passes on what became of a write, unless the peer has not taken a byte for too long.
    fn limit_write<T>(&mut self, result: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            if self.writing.is_armed() {
                self.writing.disarm();
                self.exchanges.set_sending(false);
            }
            return result;
        }
        self.writing.arm(self.limits.write_timeout);
        self.exchanges.set_sending(true);
        ready!(self.writing.poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }

    /// Throws away what the peer still sends, for a short time.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.reading.arm(LINGER);
        loop {
            let mut scratch = [MaybeUninit::uninit(); SCRATCH_BYTES];
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.reading.poll(context),
            }
        }
    }

    /// Whether the peer may be sending what nobody will read.
    fn has_unread(&self) -> bool {
        match self.phase {
            Phase::Head | Phase::Answer => !self.held.is_empty(),
            Phase::Body | Phase::Refused | Phase::Broken(_) => true,
            Phase::Frames => false,
        }
    }
}

/// What came of reading from the peer.
enum Received {
    /// Bytes that hyper may have are in its buffer.
    Bytes,
    /// Nothing is in the buffer, but the state has changed.
    Nothing,
    /// The peer has closed its side.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.cleared > 0 {
                this.hand_out(buffer);
                return Poll::Ready(Ok(()));
            }
            match this.phase {
                Phase::Frames => return Pin::new(&mut this.stream).poll_read(context, buffer),
                Phase::Broken(refusal) => return Poll::Ready(Err(refusal.into_io())),
                // hyper would take the end of the stream for a client that has left.
                Phase::Refused => return Poll::Pending,
                Phase::Answer if this.exchanges.none_open() => {
                    this.phase = Phase::Head;
                    continue;
                }
                // What is held is for after the answer. hyper does not read again by itself then: it has to be woken.
                Phase::Answer if !this.held.is_empty() => {
                    this.exchanges.wake_at_end(context.waker());
                    if this.held.len() >= this.limits.head.bytes {
                        return Poll::Pending;
                    }
                }
                Phase::Head if this.is_unjudged => {
                    this.judge_held();
                    continue;
                }
                Phase::Head | Phase::Body | Phase::Answer => {}
            }
            match ready!(this.poll_receive(context, buffer))? {
                Received::Bytes | Received::End => return Poll::Ready(Ok(())),
                Received::Nothing => {}
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.limit_write(result, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.limit_write(result, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(context);
        this.limit_write(result, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut_down {
            let result = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.limit_write(result, context))?;
            this.is_shut_down = true;
            this.reading.disarm();
        }
        if this.has_unread() {
            ready!(this.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
