//! The threads that serve connections: one for each core, each with a runtime of its own that no other thread takes
//! work from. A connection and everything that is done for it stay on one thread, so that cores do not wake each other
//! and do not pass data around; what that wins is in docs/decisions.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// How long a thread waits at its end for what still blocks.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where connections are served. Clones stand for the same threads.
#[derive(Debug, Clone, Default)]
pub struct Workers(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    handles: Vec<Handle>,
    next: AtomicUsize,
    threads: Vec<Thread>,
}

/// A running thread. It ends when this is dropped.
#[derive(Debug)]
struct Thread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts a thread for each core.
    ///
    /// # Errors
    /// The system gives no more threads, or no more of what a runtime needs.
    pub fn start() -> io::Result<Self> {
        let mut inner = Inner::default();
        for number in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            inner.handles.push(runtime.handle().clone());
            let (stop, stopped) = oneshot::channel();
            let serve = move || {
                let _ = runtime.block_on(stopped);
                runtime.shutdown_timeout(FAREWELL);
            };
            let thread = thread::Builder::new().name(format!("weir-worker-{number}")).spawn(serve)?;
            inner.threads.push(Thread { stop: Some(stop), thread: Some(thread) });
        }
        Ok(Self(Arc::new(inner)))
    }

    /// The thread whose turn it is, or the runtime of the caller if none were started.
    pub(super) fn next(&self) -> Handle {
        let handles = &self.0.handles;
        if handles.is_empty() {
            return Handle::current();
        }
        handles[self.0.next.fetch_add(1, Ordering::Relaxed) % handles.len()].clone()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // The last clone may be dropped by one of the threads themselves, which cannot wait for its own end.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_take_turns_and_end_with_the_last_clone() {
        let workers = Workers::start().unwrap();
        let count = workers.0.handles.len();
        let names: Vec<String> = (0..2 * count)
            .map(|_| {
                let (sender, receiver) = std::sync::mpsc::channel();
                workers.next().spawn(async move { sender.send(thread::current().name().map(str::to_owned)) });
                receiver.recv().unwrap().unwrap()
            })
            .collect();
        let expected: Vec<String> = (0..2 * count).map(|turn| format!("weir-worker-{}", turn % count)).collect();
        assert_eq!(names, expected);
        let handle = workers.next();
        drop(workers);
        let task = handle.spawn(async {});
        drop(handle);
        assert!(Builder::new_current_thread().build().unwrap().block_on(task).is_err());
    }

    #[tokio::test]
    async fn without_threads_everything_runs_where_the_server_does() {
        assert_eq!(Workers::default().next().runtime_flavor(), Handle::current().runtime_flavor());
    }
}
