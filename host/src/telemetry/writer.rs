//! Writes log lines to stdout on a thread of its own, so that a slow reader of the log never slows a request.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Lines that wait to be written. More are dropped and counted: memory is bounded, whatever reads the log.
const WAITING: usize = 8 << 10;

/// How long the end of the process waits for a reader of the log that has stopped reading.
const PATIENCE: Duration = Duration::from_secs(2);

/// A line has less than so many bytes, as a rule: it then grows in one piece.
const USUAL_LINE: usize = 640;

/// Lines that were dropped since the process started.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines that were dropped since the process started.
pub(super) fn lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// How a line says that so many lines were dropped.
pub(super) type Note = fn(u64) -> String;

/// How long a line may wait for others to be written with it.
const GATHERING: Duration = Duration::from_millis(5);

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
    pub(super) fn start(note: Note) -> Self {
        Self::to(io::stdout(), note)
    }

    /// Starts the thread, which writes there.
    fn to(output: impl Write + Send + 'static, note: Note) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        let started = std::thread::Builder::new()
            .name("weir-log".into())
            .spawn(move || write_all(&receiver, &counted, output, note));
        if let Err(error) = started {
            eprintln!("weir: the log's thread cannot be started, nothing will be logged: {error}");
        }
        Self { sender, dropped }
    }

    /// Queues a line, its end included.
    pub(super) fn send(&self, line: Vec<u8>) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Line(line)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A line that is queued when it is dropped.
    pub(super) fn line(&self) -> Line {
        Line { queue: self.clone(), bytes: Vec::with_capacity(USUAL_LINE) }
    }

    /// Waits until everything queued so far is written, or for [`PATIENCE`]: a stuck log must not keep the process
    /// from ending. Returns whether it was.
    pub(super) fn flush(self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let (done, flushed) = sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(error) = self.sender.try_send(message) {
            match error {
                TrySendError::Full(returned) if Instant::now() < deadline => message = returned,
                _ => return false,
            }
            // Nothing can come yet: this only waits a little for a free place.
            let _ = flushed.recv_timeout(Duration::from_millis(5));
        }
        flushed.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
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
fn write_all(receiver: &Receiver<Message>, dropped: &AtomicU64, mut output: impl Write, note: Note) {
    let mut buffer = Vec::new();
    while let Ok(message) = receiver.recv() {
        // Lines that come soon after go with this one: to wake the thread for each would cost a request more than all
        // else that is done for its line.
        #[allow(clippy::disallowed_methods, reason = "a thread of its own, which nothing else runs on")]
        std::thread::sleep(GATHERING);
        let mut flushes = Vec::new();
        // No more than may wait: under steady load there is always one more.
        for message in std::iter::once(message).chain(receiver.try_iter().take(WAITING)) {
            match message {
                Message::Line(line) => buffer.extend_from_slice(&line),
                Message::Flush(done) => flushes.push(done),
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            buffer.extend_from_slice(note(lost).as_bytes());
        }
        // Nobody is there to be told that the log cannot be written.
        let _ = output.write_all(&buffer).and_then(|()| output.flush());
        buffer.clear();
        buffer.shrink_to(64 << 10);
        for done in flushes {
            let _ = done.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Condvar, Mutex};

    use super::*;

    /// An output that can be stopped and looked at.
    #[derive(Clone, Default)]
    struct Output(Arc<(Mutex<State>, Condvar)>);

    #[derive(Default)]
    struct State {
        stopped: bool,
        bytes: Vec<u8>,
    }

    impl Output {
        fn stop(&self, stopped: bool) {
            self.0.0.lock().unwrap().stopped = stopped;
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().bytes.clone()).unwrap()
        }
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.1.wait_while(self.0.0.lock().unwrap(), |state| state.stopped).unwrap();
            state.bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_logged_is_written_before_the_end() {
        let output = Output::default();
        let queue = Queue::to(output.clone(), |lost| format!("{lost} lost\n"));
        for number in 0..1000 {
            queue.send(format!("{number}\n").into_bytes());
        }
        queue.line().write_all(b"last line").unwrap();
        assert!(queue.flush());
        assert!(output.text().ends_with("998\n999\nlast line"));
        assert_eq!(output.text().lines().count(), 1001);
    }

    #[test]
    fn a_reader_that_has_stopped_costs_lines_and_a_bounded_wait() {
        let output = Output::default();
        output.stop(true);
        let queue = Queue::to(output.clone(), |lost| format!("{lost} lost\n"));
        for _ in 0..3 * WAITING {
            queue.send(b"x\n".to_vec());
        }
        assert!(!queue.clone().flush());
        output.stop(false);
        assert!(queue.flush());
        assert!(output.text().contains(" lost\n"), "{}", output.text().len());
        assert!(output.text().len() < 3 * (3 * WAITING));
    }
}
