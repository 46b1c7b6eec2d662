//! A whole answer as a canonical chat completion.

use serde_json::{Map, Value, json};
use weir_plugin::openai::{self, AnswerMessage, ChatCompletion, Text, to_json};
use weir_plugin::{Call, Failure};

use super::{Choice, Identity, Piece, Reader, ToolCall, signed};

/// Translates the body of an answer with a 2xx status, be it one document or a list of what would have been events.
pub fn answer(call: &Call, body: &str) -> Result<String, Failure> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut each = |_: &Identity, index: u32, piece: Piece| match drafts.iter_mut().find(|draft| draft.index == index) {
        Some(draft) => draft.add(piece),
        None => drafts.push(Draft { index, ..Draft::default() }),
    };
    let mut reader = Reader::new(call.clone());
    reader.read(body, &mut each)?;
    reader.close(&mut each);
    let (usage, tier) = reader.usage().unzip();
    let Some(Identity { id, created, model }) = reader.identity.filter(|_| !drafts.is_empty()) else {
        return Err(Failure::bad_answer("The provider's answer holds nothing, and does not say why."));
    };
    let mut choices: Vec<openai::Choice> = Vec::with_capacity(drafts.len());
    for (choice, draft) in reader.choices.iter().zip(drafts) {
        let place = choices.partition_point(|other| other.index < Some(choice.index));
        choices.insert(place, draft.finish(choice, &id, created));
    }
    to_json(&ChatCompletion {
        object: Some("chat.completion".into()),
        created: Some(created),
        model: Some(model.into()),
        choices: Some(choices),
        usage,
        service_tier: tier.flatten().map(Into::into),
        id: Some(id.as_str().into()),
        ..ChatCompletion::default()
    })
}

/// A choice in the making.
#[derive(Default)]
struct Draft {
    index: u32,
    content: String,
    reasoning: String,
    audio: String,
    tool_calls: Vec<openai::ToolCall<'static>>,
    images: Vec<Value>,
    logprobs: Vec<Value>,
}

impl Draft {
    fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Begin => {}
            Piece::Text(text) => self.content.push_str(text),
            Piece::Reasoning(text) => self.reasoning.push_str(text),
            Piece::Call(ToolCall { id, name, arguments, signature, .. }) => {
                let mut call = openai::ToolCall::function(id, name.to_owned(), arguments);
                call.extra =
                    signature.map(|signature| ("extra_content".to_owned(), signed(signature))).into_iter().collect();
                self.tool_calls.push(call);
            }
            Piece::Image(image) => self.images.push(image),
            Piece::Audio(data) => self.audio.push_str(data),
            Piece::Logprobs(logprobs) => self.logprobs.extend(logprobs),
        }
    }

    fn finish(self, choice: &Choice, id: &str, created: u64) -> openai::Choice<'static> {
        let has_content = !self.content.is_empty() || self.tool_calls.is_empty();
        let mut extra: Map<String, Value> = choice.closing();
        if !self.images.is_empty() {
            extra.insert("images".to_owned(), self.images.into());
        }
        if !self.audio.is_empty() {
            let audio = json!({ "id": id, "data": self.audio, "expires_at": created, "transcript": "" });
            extra.insert("audio".to_owned(), audio);
        }
        let message = AnswerMessage {
            content: has_content.then(|| self.content.into()),
            refusal: choice.refusal().map(|words| Text::from(words.to_owned())),
            reasoning_content: (!self.reasoning.is_empty()).then(|| self.reasoning.into()),
            tool_calls: (!self.tool_calls.is_empty()).then_some(self.tool_calls),
            extra,
            ..AnswerMessage::assistant()
        };
        openai::Choice {
            logprobs: (!self.logprobs.is_empty()).then(|| json!({ "content": self.logprobs, "refusal": null })),
            extra: choice.native(),
            ..openai::Choice::new(self.index, message, choice.finish_reason())
        }
    }
}
