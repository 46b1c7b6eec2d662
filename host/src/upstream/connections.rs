//! The connections to one upstream that are open: counted, and limited where the operator wants that. An unused one that
//! is kept for the next call is among them, until somebody takes it or its time is over.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::telemetry::{OpenConnection, UpstreamConnections};

/// How many connections an upstream may have, and how they are counted.
#[derive(Debug, Clone, Default)]
pub struct ConnectionOptions {
    /// The most that are open at once. Default none: as many as are needed.
    pub limit: Option<u32>,
    /// How long a call waits for one then.
    pub patience: Duration,
    /// Where they are counted, if anywhere.
    pub counted: Option<UpstreamConnections>,
}

/// What gives leave to open connections to one upstream.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    places: Option<Arc<Semaphore>>,
    options: ConnectionOptions,
}

/// There are as many connections as there may be, and none became free in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection became free within {} ms", .0.as_millis())]
pub(super) struct Full(Duration);

impl Connections {
    pub(super) fn new(options: ConnectionOptions) -> Self {
        let places = options.limit.and_then(|limit| usize::try_from(limit).ok());
        Self { places: places.map(|places| Arc::new(Semaphore::new(places))), options }
    }

    /// Waits for leave to open one. Who waits is served sooner if another call gives its connection back.
    pub(super) async fn leave(&self) -> Result<Leave, Full> {
        let place = match &self.places {
            None => None,
            Some(places) => match timeout(self.options.patience, Arc::clone(places).acquire_owned()).await {
                // The semaphore is never closed: were it, the call would go on without a limit.
                Ok(place) => place.ok(),
                Err(_) => return Err(Full(self.options.patience)),
            },
        };
        Ok(Leave { _place: place, counted: self.options.counted.clone() })
    }
}

/// Leave to open a connection.
#[derive(Debug)]
pub(super) struct Leave {
    /// Goes back by itself.
    _place: Option<OwnedSemaphorePermit>,
    counted: Option<UpstreamConnections>,
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Open<S> {
    stream: S,
    _counted: Option<OpenConnection>,
    _leave: Leave,
}

impl<S> Open<S> {
    pub(super) fn new(stream: S, leave: Leave) -> Self {
        let counted = leave.counted.as_ref().map(UpstreamConnections::open);
        Self { stream, _counted: counted, _leave: leave }
    }
}

impl<S: Connection> Connection for Open<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl<S: Read + Unpin> Read for Open<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: Write + Unpin> Write for Open<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
