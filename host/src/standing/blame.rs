//! Whose fault a failed attempt is, as far as the standing of its target goes.

use crate::error::Cause;

/// What the failure of an attempt says of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// It failed: counts against it everywhere.
    Target,
    /// It is well and wants to be left alone: begins a cooldown, and counts against nothing else.
    Limit,
    /// It does not take Weir's credential: a failure that opens the breaker by itself, and an alarm until it takes it
    /// again.
    Credential,
    /// Nothing: the client, the request or Weir is at fault.
    None,
}

impl Blame {
    /// What this cause of an attempt's failure says of the target.
    pub const fn of(cause: Cause) -> Self {
        match cause {
            Cause::Unavailable | Cause::Timeout | Cause::BadAnswer | Cause::Connection => Self::Target,
            Cause::RateLimit => Self::Limit,
            Cause::Authentication => Self::Credential,
            Cause::InvalidRequest
            | Cause::Unsupported
            | Cause::Permission
            | Cause::NotFound
            | Cause::ContextLength
            | Cause::ContentFilter
            | Cause::Plugin
            | Cause::ClientClosed
            | Cause::Overloaded
            | Cause::Internal => Self::None,
        }
    }
}
