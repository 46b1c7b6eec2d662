//! The allocator of the process, and what it keeps for itself.

use mimalloc::MiMalloc;

/// A request takes some sixty small allocations, and the system's allocator three times the instructions for each.
/// Without huge pages: they would hold memory that nobody uses.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Gives back to the system what start-up or a reload needed for a moment: megabytes that a gateway at rest would
/// otherwise hold for ever.
pub(crate) fn give_back() {
    // SAFETY: it has no preconditions, and only touches what nobody uses.
    #[allow(unsafe_code)]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
