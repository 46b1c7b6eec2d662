//! Writes log lines to stdout on a thread of its own, so that a slow reader of the log never slows a request.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Lines that wait to be written. More are dropped and counted: memory is bounded, whatever reads the log.
const WAITING: usize = 8 << 10;

/// The way to the thread that writes.
#[derive(Clone)]
pub(super) struct Queue {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Queue {
    /// Starts the thread.
    pub(super) fn start() -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        let started = std::thread::Builder::new().name("weir-log".into()).spawn(move || write_all(&receiver, &counted));
        if let Err(error) = started {
            eprintln!("weir: the log's thread cannot be started, nothing will be logged: {error}");
        }
        Self { sender, dropped }
    }

    /// Queues a line, its end included.
    pub(super) fn send(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Line(line)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A line that is queued when it is dropped.
    pub(super) fn line(&self) -> Line {
        Line { queue: self.clone(), bytes: Vec::new() }
    }

    /// Waits until everything queued so far is written.
    pub(super) fn flush(self) {
        let (done, flushed) = sync_channel(1);
        if self.sender.send(Message::Flush(done)).is_ok() {
            let _ = flushed.recv();
        }
    }
}

/// A line in the making.
pub(super) struct Line {
    queue: Queue,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.queue.send(std::mem::take(&mut self.bytes));
    }
}

/// Writes what is queued, all that waits at once.
fn write_all(receiver: &Receiver<Message>, dropped: &AtomicU64) {
    let mut stdout = io::stdout();
    let mut buffer = Vec::new();
    while let Ok(message) = receiver.recv() {
        let mut flushes = Vec::new();
        for message in std::iter::once(message).chain(receiver.try_iter()) {
            match message {
                Message::Line(line) => buffer.extend_from_slice(&line),
                Message::Flush(done) => flushes.push(done),
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(
                buffer,
                "{{\"level\":\"WARN\",\"logger\":\"weir::telemetry\",\"message\":\"log lines were dropped\",\"lines\":{lost}}}"
            );
        }
        // Nobody is there to be told that the log cannot be written.
        let _ = stdout.write_all(&buffer).and_then(|()| stdout.flush());
        buffer.clear();
        buffer.shrink_to(64 << 10);
        drop(flushes);
    }
}
