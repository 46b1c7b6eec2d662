//! The items of an answer: reasoning, messages, tool calls. Each knows how far it has come, which events tell of it,
//! and how it looks in the Response object.

mod call;
mod message;
mod reasoning;

pub(super) use call::{Call, Kind};
pub(super) use message::Message;
pub(super) use reasoning::Reasoning;

/// How far an item has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// Cut off, with the answer that it is in.
    Incomplete,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}
