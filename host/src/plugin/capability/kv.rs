//! The capability `kv`: a small, bounded memory per plugin that outlives calls and reloads.
//!
//! It takes a lock, which no other part of a request does: only plugins that ask for state pay for it, and no
//! operation holds it for longer than one look-up, but for the rare eviction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::bindings::provider::weir::plugin::kv;
use super::super::instance::State;
use crate::config::PluginLimits;

const LONGEST_KEY: usize = 256;
const LONGEST_VALUE: usize = 64 << 10;

/// What an entry takes besides its key and value, in bytes.
const ENTRY_OVERHEAD: usize = 96;

impl kv::Host for State {
    fn get(&mut self, key: String) -> Option<Vec<u8>> {
        self.capabilities.kv.get(&key)
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> bool {
        self.capabilities.kv.set(key, value, ttl_ms.map(Duration::from_millis))
    }

    fn delete(&mut self, key: String) {
        self.capabilities.kv.delete(&key);
    }

    fn increment(&mut self, key: String, by: i64, ttl_ms: Option<u64>) -> i64 {
        self.capabilities.kv.increment(key, by, ttl_ms.map(Duration::from_millis))
    }
}

/// The stores of all plugins by name: they outlive the generations.
#[derive(Debug, Default)]
pub(in super::super) struct Stores(Mutex<HashMap<String, Arc<Store>>>);

impl Stores {
    /// The store of this plugin, empty if it is new.
    pub(in super::super) fn of(&self, plugin: &str, limits: &PluginLimits) -> Arc<Store> {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let store = stores.entry(plugin.to_owned()).or_insert_with(|| Arc::new(Store::new(limits)));
        Arc::clone(store)
    }
}

/// The memory of one plugin.
#[derive(Debug)]
pub(in super::super) struct Store {
    entry_limit: usize,
    byte_limit: usize,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    entries: HashMap<String, Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    expires: Option<Instant>,
}

impl Store {
    fn new(limits: &PluginLimits) -> Self {
        Self { entry_limit: limits.kv_entries, byte_limit: limits.kv_bytes, content: Mutex::default() }
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let mut content = self.lock();
        content.live(key).map(|entry| entry.value.clone())
    }

    fn set(&self, key: String, value: Vec<u8>, ttl: Option<Duration>) -> bool {
        if key.len() > LONGEST_KEY || value.len() > LONGEST_VALUE {
            return false;
        }
        let expires = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        self.put(&mut self.lock(), key, Entry { value, expires });
        true
    }

    fn delete(&self, key: &str) {
        self.lock().remove(key);
    }

    fn increment(&self, key: String, by: i64, ttl: Option<Duration>) -> i64 {
        if key.len() > LONGEST_KEY {
            return by;
        }
        let mut content = self.lock();
        if let Some(entry) = content.live(&key)
            && let Ok(bytes) = <[u8; 8]>::try_from(entry.value.as_slice())
        {
            let count = i64::from_le_bytes(bytes).saturating_add(by);
            entry.value = count.to_le_bytes().to_vec();
            return count;
        }
        let expires = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        self.put(&mut content, key, Entry { value: by.to_le_bytes().to_vec(), expires });
        by
    }

    fn put(&self, content: &mut Content, key: String, entry: Entry) {
        content.remove(&key);
        let size = size(&key, &entry);
        if content.entries.len() >= self.entry_limit || content.bytes + size > self.byte_limit {
            content.make_room(self.entry_limit, self.byte_limit.saturating_sub(size));
        }
        content.bytes += size;
        content.entries.insert(key, entry);
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// The entry if it is there and has not expired.
    fn live(&mut self, key: &str) -> Option<&mut Entry> {
        let expired = self.entries.get(key)?.expires.is_some_and(|expires| expires <= Instant::now());
        if expired {
            self.remove(key);
            return None;
        }
        self.entries.get_mut(key)
    }

    fn remove(&mut self, key: &str) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.bytes = self.bytes.saturating_sub(size(&key, &entry));
        }
    }

    /// Removes what has expired, then what expires first, down to nine tenths of the limits: so that a full store
    /// does not sort itself on every write.
    fn make_room(&mut self, entry_limit: usize, byte_limit: usize) {
        let mut keys: Vec<(Option<Instant>, String)> =
            self.entries.iter().map(|(key, entry)| (entry.expires, key.clone())).collect();
        // `None` never expires and goes last.
        keys.sort_by_key(|(expires, _)| (expires.is_none(), *expires));
        let (entry_goal, byte_goal) = (entry_limit - entry_limit / 10, byte_limit - byte_limit / 10);
        let now = Instant::now();
        for (expires, key) in keys {
            let expired = expires.is_some_and(|expires| expires <= now);
            if !expired && self.entries.len() < entry_goal && self.bytes <= byte_goal {
                return;
            }
            self.remove(&key);
        }
    }
}

fn size(key: &str, entry: &Entry) -> usize {
    key.len() + entry.value.len() + ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(entries: usize, bytes: usize) -> Store {
        Store::new(&PluginLimits { kv_entries: entries, kv_bytes: bytes, ..PluginLimits::default() })
    }

    #[test]
    fn a_value_is_there_until_it_expires_or_is_deleted() {
        let store = store(10, 10_000);
        assert!(store.set("a".into(), b"1".to_vec(), None));
        assert!(store.set("b".into(), b"2".to_vec(), Some(Duration::ZERO)));
        assert_eq!(store.get("a"), Some(b"1".to_vec()));
        assert_eq!(store.get("b"), None);
        store.delete("a");
        assert_eq!(store.get("a"), None);
        assert_eq!(store.lock().bytes, 0);
    }

    #[test]
    fn a_counter_counts_from_zero_whatever_was_there() {
        let store = store(10, 10_000);
        assert!(store.set("n".into(), b"text".to_vec(), None));
        assert_eq!(store.increment("n".into(), 5, None), 5);
        assert_eq!(store.increment("n".into(), -2, None), 3);
    }

    #[test]
    fn a_full_store_drops_what_expires_first() {
        let store = store(10, 1 << 20);
        for number in 0..10_u64 {
            assert!(store.set(format!("k{number}"), vec![0; 10], Some(Duration::from_secs(100 + number))));
        }
        assert!(store.set("new".into(), vec![0; 10], Some(Duration::from_secs(1000))));
        assert_eq!(store.get("k0"), None);
        assert!(store.get("k9").is_some() && store.get("new").is_some());
        assert!(store.lock().entries.len() <= 10);
    }

    #[test]
    fn too_long_keys_and_values_are_refused() {
        let store = store(10, 1 << 20);
        assert!(!store.set("k".repeat(LONGEST_KEY + 1), vec![], None));
        assert!(!store.set("k".into(), vec![0; LONGEST_VALUE + 1], None));
    }

    #[test]
    fn bytes_stay_within_the_limit() {
        let store = store(10_000, 10_000);
        for number in 0..1_000 {
            store.set(format!("key-{number}"), vec![0; 100], None);
            assert!(store.lock().bytes <= 10_000);
        }
    }
}
