//! A small memory that outlives a call, the only one that a plugin has. See `wit/kv.wit`; it is the host's, so that it
//! takes about a microsecond. Outside a component each thread has its own, without limits and without expiry.

use crate::bindings::weir::plugin::kv;

/// Reads a value. `None` if there is none, or no longer.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    if cfg!(target_arch = "wasm32") { kv::get(key) } else { native::get(key) }
}

/// Writes a value in place of any, for so many milliseconds if that is given. `false` if it is too large: 64 KiB, and
/// 256 bytes for the key.
pub fn set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> bool {
    if cfg!(target_arch = "wasm32") { kv::set(key, value, ttl_ms) } else { native::set(key, value) }
}

/// Removes a value.
pub fn delete(key: &str) {
    if cfg!(target_arch = "wasm32") { kv::delete(key) } else { native::delete(key) }
}

/// Adds to a counter, which begins at 0, and gives its new value. `ttl_ms` counts from when the counter is made.
pub fn increment(key: &str, by: i64, ttl_ms: Option<u64>) -> i64 {
    if cfg!(target_arch = "wasm32") { kv::increment(key, by, ttl_ms) } else { native::increment(key, by) }
}

/// What stands in for the host in native tests.
mod native {
    use std::cell::RefCell;
    use std::collections::HashMap;

    thread_local! {
        static ENTRIES: RefCell<HashMap<String, Vec<u8>>> = RefCell::default();
    }

    pub(super) fn get(key: &str) -> Option<Vec<u8>> {
        ENTRIES.with_borrow(|entries| entries.get(key).cloned())
    }

    pub(super) fn set(key: &str, value: &[u8]) -> bool {
        ENTRIES.with_borrow_mut(|entries| entries.insert(key.to_owned(), value.to_owned()));
        true
    }

    pub(super) fn delete(key: &str) {
        ENTRIES.with_borrow_mut(|entries| entries.remove(key));
    }

    pub(super) fn increment(key: &str, by: i64) -> i64 {
        let before = get(key).and_then(|value| value.try_into().ok()).map_or(0, i64::from_le_bytes);
        let after = before.saturating_add(by);
        set(key, &after.to_le_bytes());
        after
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_written_is_read_until_it_is_removed() {
        assert!(super::set("key", b"value", None));
        assert_eq!(super::get("key").as_deref(), Some(&b"value"[..]));
        super::delete("key");
        assert_eq!(super::get("key"), None);
        assert_eq!((super::increment("count", 2, None), super::increment("count", 3, None)), (2, 5));
    }
}
