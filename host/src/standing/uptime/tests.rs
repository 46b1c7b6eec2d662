//! Uptime, case by case.
