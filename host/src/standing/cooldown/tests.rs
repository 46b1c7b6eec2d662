//! The cooldown, case by case.
