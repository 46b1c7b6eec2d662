//! What a model thought in a form that only its maker can vouch for or read, which has to go back to it unchanged with
//! the next turn: `thinking_blocks` of messages and deltas, in the form that Anthropic gave them.

use serde_json::{Map, Value};

use super::Message;

/// A thought that its maker takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thought<'m> {
    /// Text with a signature.
    Signed {
        /// The text.
        text: &'m str,
        /// The proof that the model wrote it. Never empty.
        signature: &'m str,
    },
    /// Something that only the maker can read.
    Redacted(&'m str),
}

impl Thought<'_> {
    /// The field of a message, and of a delta, that has a list of them.
    pub const LIST: &'static str = "thinking_blocks";

    /// The thought as an element of the list, for [`super::AnswerSink::element`].
    pub fn element(self) -> Map<String, Value> {
        let fields = match self {
            Self::Signed { text, signature } => {
                vec![("type", "thinking"), ("thinking", text), ("signature", signature)]
            }
            Self::Redacted(data) => vec![("type", "redacted_thinking"), ("data", data)],
        };
        fields.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect()
    }
}

impl Message<'_> {
    /// What the assistant thought, as far as it is signed or redacted. The rest no maker takes back.
    pub fn thoughts(&self) -> impl Iterator<Item = Thought<'_>> {
        let list = |name: &str| self.extra.get(name).and_then(Value::as_array).filter(|list| !list.is_empty());
        // The other spelling is OpenRouter's; a client that sends both says the same twice.
        let list = list(Thought::LIST).or_else(|| list("reasoning_details"));
        list.into_iter().flatten().filter_map(|block| {
            let text = |name: &str| block[name].as_str();
            match text("type")? {
                "thinking" | "reasoning.text" => {
                    let signature = text("signature").filter(|signature| !signature.is_empty())?;
                    let text = text("thinking").or_else(|| text("text")).unwrap_or_default();
                    Some(Thought::Signed { text, signature })
                }
                "redacted_thinking" | "reasoning.encrypted" => text("data").map(Thought::Redacted),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn thoughts_come_back_as_they_went_and_others_are_left_out() {
        let known = [Thought::Signed { text: "hm", signature: "s" }, Thought::Redacted("x")];
        let mut blocks: Vec<Value> = known.iter().map(|thought| thought.element().into()).collect();
        assert_eq!(blocks[1], json!({"type": "redacted_thinking", "data": "x"}));
        blocks.insert(1, json!({"type": "thinking", "thinking": "unsigned", "signature": ""}));
        blocks.push(json!({"type": "something"}));
        let details = json!([{"type": "reasoning.text", "text": "hm", "signature": "s"},
            {"type": "reasoning.encrypted", "data": "x"}, {"type": "reasoning.summary", "summary": "so"}]);
        for document in [
            json!({"role": "assistant", "thinking_blocks": blocks, "reasoning_details": [{"type": "reasoning.text"}]}),
            json!({"role": "assistant", "thinking_blocks": [], "reasoning_details": details}),
        ] {
            let document = document.to_string();
            let message: Message = serde_json::from_str(&document).unwrap();
            assert_eq!(message.thoughts().collect::<Vec<_>>(), known, "{document}");
        }
    }
}
