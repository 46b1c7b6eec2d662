//! Where something stands in a client's conversation, for when it is at fault.

use std::fmt;

use crate::Failure;

/// The place of a message, or of something in it: `messages[2].content[0].image_url.url`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    message: usize,
    element: Option<(&'static str, usize)>,
    field: &'static str,
}

impl Place {
    /// The message with this index.
    pub const fn message(index: usize) -> Self {
        Self { message: index, element: None, field: "" }
    }

    /// An element of one of the message's lists.
    #[must_use]
    pub const fn element(self, list: &'static str, index: usize) -> Self {
        Self { element: Some((list, index)), ..self }
    }

    /// A field of this, with a leading dot.
    #[must_use]
    pub const fn field(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    /// The failure of a request that can never work because of what stands here.
    #[cold]
    #[inline(never)]
    pub fn invalid(self, message: impl Into<String>) -> Failure {
        Failure::invalid_field(self.to_string(), message)
    }

    /// The failure of a provider that cannot do what stands here.
    #[cold]
    #[inline(never)]
    pub fn unsupported(self, message: impl Into<String>) -> Failure {
        Failure::unsupported(self.to_string(), message)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "messages[{}]", self.message)?;
        if let Some((list, index)) = self.element {
            write!(formatter, ".{list}[{index}]")?;
        }
        formatter.write_str(self.field)
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_is_written_as_the_client_would_find_it() {
        let message = Place::message(2);
        for (place, expected) in [
            (message, "messages[2]"),
            (message.field(".role"), "messages[2].role"),
            (message.element("content", 0), "messages[2].content[0]"),
            (
                message.element("tool_calls", 1).field(".function.arguments"),
                "messages[2].tool_calls[1].function.arguments",
            ),
        ] {
            assert_eq!(place.to_string(), expected);
            assert_eq!(place.invalid("m").param.as_deref(), Some(expected));
        }
    }
}
