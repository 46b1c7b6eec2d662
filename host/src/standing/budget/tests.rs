//! The budgets, case by case.
