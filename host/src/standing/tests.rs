//! A target from the outside.
