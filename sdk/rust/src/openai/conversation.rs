//! A conversation as two sides lead it, which is how many APIs want to have it: what one side says in a row is one turn,
//! results of tools come first in the user's turn, and what leads the conversation stands beside it.

use super::{Called, ChatRequest, Message, Place, Thought};
use crate::Failure;
use crate::json::{Json, Turns};

/// Writes messages in the form of an API, as blocks with commas between them. See [`Conversation::of`].
pub trait MessageWriter {
    /// Whether the sides have to alternate: what one of them says before and after a blank of the other is one turn then.
    const ALTERNATES: bool;

    /// The content of a message.
    ///
    /// # Errors
    /// What the upstream cannot take.
    fn content(&mut self, json: &mut Json, message: &Message, place: Place) -> Result<(), Failure>;

    /// What the assistant thought, for its maker to take back.
    fn thought(&mut self, json: &mut Json, thought: Thought);

    /// A call that the assistant made.
    fn call(&mut self, json: &mut Json, call: &Called);

    /// What came of the call with this id.
    ///
    /// # Errors
    /// What the upstream cannot take.
    fn result(&mut self, json: &mut Json, message: &Message, id: &str, place: Place) -> Result<(), Failure>;
}

/// A conversation in the form of an API.
#[derive(Debug, Default)]
pub struct Conversation {
    /// The blocks of what leads it, with commas between them.
    pub system: Json,
    /// Who says what.
    pub turns: Turns,
    /// Whether the last turn of the assistant calls tools without showing what it thought.
    pub calls_without_thinking: bool,
}

impl Conversation {
    /// Translates the messages of a request.
    ///
    /// # Errors
    /// For roles that there are not, results of no call, and what the writer refuses.
    pub fn of(request: &ChatRequest, writer: &mut impl MessageWriter) -> Result<Self, Failure> {
        let mut conversation = Self::default();
        for (index, message) in request.messages().iter().enumerate() {
            conversation.add(message, Place::message(index), writer)?;
        }
        Ok(conversation)
    }

    fn add<W: MessageWriter>(&mut self, message: &Message, place: Place, writer: &mut W) -> Result<(), Failure> {
        let mut said = Json::default();
        match message.role.as_deref() {
            // Few models know this role inside a conversation. As a part of the user's turn it keeps its place.
            Some(role @ ("system" | "developer" | "user")) => {
                writer.content(&mut said, message, place)?;
                match role == "user" || !self.turns.is_empty() {
                    true => self.say::<W>("user", &said),
                    false => drop(self.system.list(&said)),
                }
            }
            Some("assistant") => {
                message.thoughts().for_each(|thought| writer.thought(&mut said, thought));
                let thinks = !said.is_empty();
                writer.content(&mut said, message, place)?;
                let called = message.called(place)?;
                called.iter().for_each(|call| writer.call(&mut said, call));
                self.calls_without_thinking = !thinks && !called.is_empty();
                self.say::<W>("assistant", &said);
            }
            Some("tool") => {
                let missing = || place.field(".tool_call_id").invalid("A result has to name the call that it is of.");
                let id = message.tool_call_id.as_deref().ok_or_else(missing)?;
                writer.result(&mut said, message, id, place)?;
                self.turns.answer(&said);
            }
            _ => return Err(place.field(".role").invalid("There is no such role.")),
        }
        Ok(())
    }

    fn say<W: MessageWriter>(&mut self, speaker: &'static str, said: &Json) {
        if !W::ALTERNATES {
            self.turns.turn(speaker);
        }
        self.turns.say(speaker, said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes words.
    struct Words;

    impl MessageWriter for Words {
        const ALTERNATES: bool = true;

        fn content(&mut self, json: &mut Json, message: &Message, _: Place) -> Result<(), Failure> {
            json.string(&message.content.as_ref().map(super::super::Content::joined).unwrap_or_default());
            Ok(())
        }

        fn thought(&mut self, json: &mut Json, _: Thought) {
            json.string("thought");
        }

        fn call(&mut self, json: &mut Json, call: &Called) {
            json.string(call.name.unwrap_or_default());
        }

        fn result(&mut self, json: &mut Json, _: &Message, id: &str, _: Place) -> Result<(), Failure> {
            json.string(id);
            Ok(())
        }
    }

    fn conversation(messages: &str) -> Result<Conversation, Failure> {
        let document = format!(r#"{{"messages":[{messages}]}}"#);
        let request: ChatRequest = serde_json::from_str(&document).unwrap();
        Conversation::of(&request, &mut Words)
    }

    #[test]
    fn what_leads_a_conversation_stands_beside_it_and_each_side_has_its_turns() {
        let call = r#""tool_calls":[{"id":"c","function":{"name":"look"}}]"#;
        let thought = r#""thinking_blocks":[{"type":"redacted_thinking","data":"x"}]"#;
        let messages = format!(
            r#"{{"role":"system","content":"a"}},{{"role":"developer","content":"b"}},{{"role":"user","content":"c"}},
            {{"role":"assistant","content":"d",{call},{thought}}},{{"role":"system","content":"e"}},
            {{"role":"tool","content":"","tool_call_id":"c"}}"#
        );
        let Conversation { system, turns, calls_without_thinking } = conversation(&messages).unwrap();
        assert_eq!((system.as_str(), calls_without_thinking), (r#""a","b""#, false));
        let expected = [
            r#"{"role":"user","content":["c"]}"#,
            r#"{"role":"assistant","content":["thought","d","look"]}"#,
            r#"{"role":"user","content":["c","e"]}"#,
        ];
        assert_eq!(turns.finish().as_str(), expected.join(","));
        let without = format!(r#"{{"role":"assistant","content":"d",{call}}}"#);
        assert!(conversation(&without).unwrap().calls_without_thinking);
    }

    #[test]
    fn unknown_roles_and_results_of_no_call_name_their_place() {
        for (message, param) in
            [(r#"{"role":"oracle"}"#, "messages[0].role"), (r#"{"role":"tool"}"#, "messages[0].tool_call_id")]
        {
            assert_eq!(conversation(message).unwrap_err().param.as_deref(), Some(param));
        }
    }
}
