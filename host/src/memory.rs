//! What the allocator keeps for itself.

/// Gives back to the system what start-up or a reload needed for a moment: megabytes that a gateway at rest would
/// otherwise hold for ever.
pub(crate) fn give_back() {
    // SAFETY: malloc_trim has no preconditions; it only touches what nobody uses.
    #[allow(unsafe_code)]
    unsafe {
        libc::malloc_trim(0);
    }
}
