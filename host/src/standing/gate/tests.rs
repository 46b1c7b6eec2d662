//! The gate, under a paused clock.
