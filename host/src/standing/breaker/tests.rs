//! The breaker, case by case.
