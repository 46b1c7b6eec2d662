//! What a scripted upstream does after it has read a request: a list of steps, exact to the byte.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

/// One thing that an upstream does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes these bytes at once.
    Write(Bytes),
    /// Writes these bytes as one chunk of a chunked body.
    Chunk(Bytes),
    /// Ends a chunked body.
    LastChunk,
    /// Writes these bytes one at a time, each in a segment of its own.
    Trickle(Bytes),
    /// Writes this byte as a chunk, over and over, with this pause between two, until the peer leaves.
    Drip(u8, Duration),
    /// Does nothing until the test opens the gate, or the peer leaves.
    Wait(Gate),
    /// Writes the same bytes until the peer leaves. What went out is counted.
    Flood(Bytes),
    /// Does nothing until the peer leaves.
    Hang,
    /// Closes the connection in order (FIN).
    Close,
    /// Closes the connection with a reset (RST).
    Reset,
}

/// What an upstream does about one request. If the last step does not close, the connection serves another request.
pub type Script = Vec<Step>;

/// A point where an upstream waits for the test. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everyone pass, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the gate is open.
    pub async fn passed(&self) {
        let mut state = self.0.subscribe();
        state.wait_for(|open| *open).await.expect("a gate outlives those who wait at it");
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
