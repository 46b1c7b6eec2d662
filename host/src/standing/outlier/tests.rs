//! Outliers among siblings.
