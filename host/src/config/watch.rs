//! Watches the files that a configuration depends on, and says when something about them may have changed.
//!
//! Nothing more: whether the content differs, and what to do about it, is for the receiver to find out.
//!
//! Changes come in many ways: a write in place, a rename over the old file, a link that is turned elsewhere (as
//! Kubernetes does with `..data`), a folder that is removed and made anew. File system events only tell the watcher to
//! look; what it looks at are the files' identities, sizes and times of change. So an event too many does no harm, and
//! an event too few (network and container file systems send none) is made up for by looking every two seconds.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// A change is announced when nothing more has happened for this long ...
const QUIET: Duration = Duration::from_millis(100);

/// ... but at the latest after this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often to look when no event comes.
const POLL: Duration = Duration::from_secs(2);

/// How deep to look into a folder: `plugins/name/name.wasm` and one more.
const DEPTH: usize = 3;

/// Watches files and folders on a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    messages: Sender<Message>,
    changed: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts to watch. A path may be a file or a folder (watched with what is in it), and need not exist yet.
    ///
    /// # Errors
    /// If no thread can be started. That file system events cannot be had is no error: then it polls.
    pub fn start(paths: Vec<PathBuf>) -> io::Result<Self> {
        let (messages, inbox) = channel();
        let changed = Arc::new(Notify::new());
        let mut watch = Watch::new(paths, messages.clone(), changed.clone());
        let thread = std::thread::Builder::new().name("weir-watch".to_owned()).spawn(move || watch.run(&inbox))?;
        Ok(Self { messages, changed, thread: Some(thread) })
    }

    /// Watches these paths instead. A change of what is watched counts as no change by itself.
    pub fn watch(&self, paths: Vec<PathBuf>) {
        // Looked at here, not on the thread, so that every change after this call counts.
        let stamps = stamps(&paths);
        // The thread is there as long as `self` is.
        let _ = self.messages.send(Message::Watch(paths, stamps));
    }

    /// Waits until something may have changed since the last time. Changes that happen while nobody waits are told
    /// once, at the next call. Can be cancelled. For one waiter at a time.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread is told.
enum Message {
    /// Something happened in a folder that is watched.
    Event,
    /// Watch these paths instead, which look so.
    Watch(Vec<PathBuf>, Stamps),
    /// Stop.
    Stop,
}

/// The state of the thread.
struct Watch {
    paths: Vec<PathBuf>,
    /// What the paths looked like when it last looked.
    stamps: Stamps,
    /// The source of events, unless the system has none.
    events: Option<RecommendedWatcher>,
    /// The folders that events come from, and which folder that was: one that is made anew has to be watched anew.
    armed: BTreeMap<PathBuf, Identity>,
    changed: Arc<Notify>,
}

impl Watch {
    /// Looks for the first time. On the caller's thread, so that every later change counts.
    fn new(paths: Vec<PathBuf>, messages: Sender<Message>, changed: Arc<Notify>) -> Self {
        let on_event = move |event: notify::Result<Event>| {
            // That somebody read a file is of no interest, and would be an echo of our own looking.
            if !matches!(event, Ok(Event { kind: EventKind::Access(_), .. })) {
                let _ = messages.send(Message::Event);
            }
        };
        let events = notify::recommended_watcher(on_event)
            .inspect_err(|error| tracing::warn!(%error, "no file system events; polling for changes"))
            .ok();
        let mut watch = Self { stamps: BTreeMap::new(), paths, events, armed: BTreeMap::new(), changed };
        watch.arm();
        watch.stamps = stamps(&watch.paths);
        watch
    }

    fn run(&mut self, inbox: &Receiver<Message>) {
        loop {
            match inbox.recv_timeout(POLL) {
                Ok(Message::Event) => {}
                Ok(Message::Watch(paths, stamps)) => self.replace(paths, stamps),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if stamps(&self.paths) == self.stamps => {
                    self.arm();
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if !self.settle(inbox) {
                return;
            }
            // First events, then a look: what happens after the look causes an event.
            self.arm();
            let now = stamps(&self.paths);
            if now != self.stamps {
                self.stamps = now;
                self.changed.notify_one();
            }
        }
    }

    /// Waits until the burst of events is over. Returns false if it was told to stop.
    fn settle(&mut self, inbox: &Receiver<Message>) -> bool {
        let latest = Instant::now() + PATIENCE;
        loop {
            match inbox.recv_timeout(QUIET.min(latest.saturating_duration_since(Instant::now()))) {
                Ok(Message::Event) if Instant::now() < latest => {}
                Ok(Message::Event) | Err(RecvTimeoutError::Timeout) => return true,
                Ok(Message::Watch(paths, stamps)) => self.replace(paths, stamps),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Watches other paths; those that were watched before keep what was last seen of them.
    fn replace(&mut self, paths: Vec<PathBuf>, mut stamps: Stamps) {
        for path in &self.paths {
            match self.stamps.remove(path) {
                _ if !paths.contains(path) => {}
                Some(known) => drop(stamps.insert(path.clone(), known)),
                None => drop(stamps.remove(path)),
            }
        }
        (self.paths, self.stamps) = (paths, stamps);
    }

    /// Sees to it that events come from every folder in which a change can happen.
    fn arm(&mut self) {
        let Some(events) = &mut self.events else { return };
        let wanted = folders(&self.paths);
        self.armed.retain(|folder, identity| {
            let keep = wanted.get(folder) == Some(identity);
            if !keep {
                // Fails if the folder is gone, and then there is nothing to undo.
                let _ = events.unwatch(folder);
            }
            keep
        });
        for (folder, identity) in wanted {
            if !self.armed.contains_key(&folder) && events.watch(&folder, RecursiveMode::NonRecursive).is_ok() {
                self.armed.insert(folder, identity);
            }
        }
    }
}

/// Which file it is, whatever its name.
type Identity = (u64, u64);

/// What a path looks like. A change of a file always shows in its time of change, which cannot be set by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    identity: Identity,
    length: u64,
    changed: (i64, i64),
    /// What is in it, for a folder.
    entries: Stamps,
}

/// What each path looks like; those that are not there are left out.
type Stamps = BTreeMap<PathBuf, Stamp>;

fn stamps(paths: &[PathBuf]) -> Stamps {
    paths.iter().filter_map(|path| Some((path.clone(), stamp(path, DEPTH)?))).collect()
}

fn stamp(path: &Path, depth: usize) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    let identity = (metadata.dev(), metadata.ino());
    if metadata.is_dir() {
        // A folder is what is in it; its own times change with every temporary file.
        let entries = children(path).into_iter().filter(|_| depth > 0);
        let entries = entries.filter_map(|child| stamp(&child, depth - 1).map(|stamp| (child, stamp))).collect();
        return Some(Stamp { identity, length: 0, changed: (0, 0), entries });
    }
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    Some(Stamp { identity, length: metadata.len(), changed, entries: BTreeMap::new() })
}

/// The folders to watch for these paths: where each lies, where it leads if it is a link, and what is in it.
fn folders(paths: &[PathBuf]) -> BTreeMap<PathBuf, Identity> {
    let mut folders = BTreeMap::new();
    for path in paths {
        let real = std::fs::canonicalize(path).ok();
        for place in [Some(path), real.as_ref()].into_iter().flatten() {
            insert_folder(&mut folders, parent(place));
            insert_tree(&mut folders, place, DEPTH);
        }
    }
    folders
}

fn insert_tree(folders: &mut BTreeMap<PathBuf, Identity>, path: &Path, depth: usize) {
    if depth > 0 && insert_folder(folders, path) {
        children(path).iter().for_each(|child| insert_tree(folders, child, depth - 1));
    }
}

fn insert_folder(folders: &mut BTreeMap<PathBuf, Identity>, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_dir);
    folders.extend(metadata.as_ref().map(|metadata| (path.to_owned(), (metadata.dev(), metadata.ino()))));
    metadata.is_some()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The folder that a path lies in; `weir.yaml` lies in `.`.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests;
