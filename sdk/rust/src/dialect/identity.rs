//! What all chunks of a stream share: an id, a time and a model, whatever the upstream does.

use crate::openai::{self, Text};
use crate::{Call, Position};

/// The identity of a stream, once there is one.
#[derive(Debug)]
pub struct Identity(Option<Position>);

crate::parkable!(struct Identity { 0 });

impl Identity {
    /// That of the chunks that the host has relayed by itself, if it has.
    pub fn new(resume: Option<Position>) -> Self {
        Self(resume)
    }

    /// The identity that all chunks share: what is given with the first, and what is missing made for it.
    pub fn shared(
        &mut self,
        (id, created, model): (Option<Text<'_>>, Option<u64>, Option<Text<'_>>),
        call: &Call,
        new_id: impl FnOnce(&Call) -> String,
    ) -> &Position {
        self.0.get_or_insert_with(|| {
            let given = |text: Option<Text<'_>>| text.filter(|text| !text.is_empty()).map(Text::into_string);
            Position {
                id: given(id).unwrap_or_else(|| new_id(call)),
                created: created.filter(|created| *created > 0).unwrap_or_else(openai::now),
                model: given(model).unwrap_or_else(|| call.model.clone()),
            }
        })
    }
}
