//! Streams of different speeds.
