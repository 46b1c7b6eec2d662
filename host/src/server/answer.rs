//! An answer's body on its way to the client: it marks the end of the exchange, and with HTTP/2 the stream on which the
//! client has stopped reading is reset.
//!
//! HTTP/1 needs nothing of the kind: there a client that does not read stops the whole connection, which the
//! [guarded](super::guarded) stream notices.

use std::cell::Cell;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;

use super::deadline::Deadline;
use super::exchange::Exchange;
use super::workers::Workers;

/// A body that ends its exchange when it is dropped.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: B,
    /// What is left of a frame that was larger than a piece.
    rest: Bytes,
    /// The most bytes that are handed out at once.
    piece_bytes: usize,
    _exchange: Exchange,
}

impl<B> Answer<B> {
    /// An answer that is handed to hyper in pieces of at most so many bytes.
    pub(super) fn new(body: B, exchange: Exchange, piece_bytes: usize) -> Self {
        Self { body, rest: Bytes::new(), piece_bytes, _exchange: exchange }
    }
}

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        TURN.set(Turn::Ours);
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(context)).transpose()?.map(Frame::into_data) {
                None => return Poll::Ready(None),
                Some(Err(other)) => return Poll::Ready(Some(Ok(other))),
                Some(Ok(data)) => this.rest = data,
            }
        }
        TURN.set(Turn::Peer);
        let piece = this.rest.split_to(this.rest.len().min(this.piece_bytes));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

/// Runs the tasks of HTTP/2 streams, and ends one whose client takes nothing for too long.
///
/// hyper asks the body for a piece, then waits until the client has room for it. A stream on which it waits too long is
/// dropped, and with it the handler's body; the client sees it reset. Other streams of the connection go on.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    /// The longest time without taking a byte that is there to be sent.
    pub write_timeout: Duration,
    /// Where they run: the streams of one connection are spread, since one may carry the work of many.
    pub workers: Workers,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let write_timeout = self.write_timeout;
        self.workers.next().spawn(async move {
            let mut stream = pin!(stream);
            let mut deadline = Deadline::default();
            poll_fn(|context| {
                TURN.set(Turn::Unchanged);
                if stream.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                match TURN.get() {
                    Turn::Unchanged => {}
                    Turn::Ours => deadline.disarm(),
                    Turn::Peer => {
                        deadline.disarm();
                        deadline.arm(write_timeout);
                    }
                }
                deadline.poll(context)
            })
            .await;
        });
    }
}

thread_local! {
    /// Says, while a stream's task is polled, what its body did: the task is hyper's and the body is inside it.
    static TURN: Cell<Turn> = const { Cell::new(Turn::Unchanged) };
}

/// Who has to move for a stream to go on.
#[derive(Clone, Copy)]
enum Turn {
    /// The body was not asked.
    Unchanged,
    /// The body has nothing to send yet.
    Ours,
    /// The body has given something, and was not asked for more.
    Peer,
}
