//! Answers of Gemini's, whole or in events, as what they mean: one reader for both, because each event of a stream
//! has the form of a whole answer. [`answer`] and [`Stream`] make canonical documents of what it finds.

mod answer;
mod choice;
mod sources;
mod stream;

use serde_json::{Value, json};
use weir_plugin::openai::{Usage, completion_id, now, tool_call_id};
use weir_plugin::{Call, Failure};

pub use self::answer::answer;
use self::choice::Choice;
pub use self::stream::Stream;
use crate::failure;
use crate::wire::{self, Blob, Candidate, FunctionCall, Generated, SaidPart, UsageMetadata};

/// What an answer is called, in all its parts.
pub struct Identity {
    id: String,
    /// In seconds since 1970.
    created: u64,
    model: String,
}

/// Something for the client, found in an answer.
pub enum Piece<'a> {
    /// A choice that was not there before.
    Begin,
    Text(&'a str),
    Reasoning(&'a str),
    Call(ToolCall<'a>),
    /// A picture as an element of `images`.
    Image(Value),
    /// Sound in base64.
    Audio(&'a str),
    /// Elements of `logprobs.content`.
    Logprobs(Vec<Value>),
}

/// A call of one of the client's functions.
pub struct ToolCall<'a> {
    /// Its place among the calls of its choice.
    index: u32,
    id: String,
    name: &'a str,
    arguments: String,
    signature: Option<&'a str>,
}

/// Who is told of each piece, with the index of the choice that it belongs to.
type Each<'e> = &'e mut dyn FnMut(&Identity, u32, Piece);

/// Reads an answer, in one piece or in many.
pub struct Reader {
    call: Call,
    identity: Option<Identity>,
    /// The answers so far.
    choices: Vec<Choice>,
    /// How many tools were called in all of them.
    calls: u32,
    /// What it cost so far, as it came. Empty if that is not known.
    usage: String,
    /// The choice that a blocked prompt gets if there is no other.
    blocked: Option<Choice>,
}

impl Reader {
    fn new(call: Call) -> Self {
        Self { call, identity: None, choices: Vec::new(), calls: 0, usage: String::new(), blocked: None }
    }

    /// Reads on. An error inside is the failure that it tells of.
    fn read(&mut self, body: &str, each: Each) -> Result<(), Failure> {
        for generated in wire::read(body)? {
            if let Some(error) = generated.error {
                return Err(failure::of(200, &format!(r#"{{"error":{}}}"#, error.get())));
            }
            self.take(&generated, each);
        }
        Ok(())
    }

    /// What it cost so far, and the tier that serves it, in OpenAI's words.
    fn usage(&self) -> Option<(Usage, Option<&'static str>)> {
        let usage: UsageMetadata = serde_json::from_str(&self.usage).ok()?;
        Some((usage.canonical(), usage.tier()))
    }

    /// Gives a prompt that was blocked the one choice that says so.
    fn close(&mut self, each: Each) {
        if let (true, Some(blocked), Some(identity)) = (self.choices.is_empty(), self.blocked.take(), &self.identity) {
            each(identity, 0, Piece::Begin);
            self.choices.push(blocked);
        }
    }

    fn take(&mut self, generated: &Generated, each: Each) {
        let call = &self.call;
        let identity = self.identity.get_or_insert_with(|| Identity {
            id: generated
                .response_id
                .as_deref()
                .filter(|id| !id.is_empty())
                .map_or_else(|| completion_id(call), str::to_owned),
            created: now(),
            model: generated.model_version.as_deref().unwrap_or(&call.model).to_owned(),
        });
        if let Some(usage) = generated.usage_metadata {
            self.usage.clear();
            self.usage.push_str(usage.get());
        }
        if let Some(feedback) = &generated.prompt_feedback
            && let Some(reason) = feedback.block_reason
        {
            self.blocked = Some(Choice::blocked(reason, feedback.block_reason_message.as_deref()));
        }
        for (place, candidate) in (0..).zip(generated.candidates.iter().flatten()) {
            let Some(candidate) = candidate else { continue };
            let index = candidate.index.unwrap_or(place);
            let known = self.choices.iter().position(|choice| choice.index == index);
            let at = known.unwrap_or_else(|| {
                each(identity, index, Piece::Begin);
                self.choices.push(Choice::new(index));
                self.choices.len() - 1
            });
            let mut each = |piece: Piece<'_>| each(identity, index, piece);
            read_candidate(&mut self.choices[at], candidate, call, &mut self.calls, &mut each);
        }
    }
}

fn read_candidate(
    choice: &mut Choice,
    candidate: &Candidate,
    call: &Call,
    calls: &mut u32,
    each: &mut dyn FnMut(Piece),
) {
    let parts = candidate.content.as_ref().and_then(|content| content.parts.as_deref()).unwrap_or_default();
    for part in parts.iter().flatten() {
        if let Some(function) = part.function_call.as_ref().filter(|function| function.name.is_some()) {
            each(Piece::Call(tool_call(choice, function, part, call, calls)));
        } else if let Some(blob) = &part.inline_data {
            media(choice, blob, part, each);
        } else {
            // Code that Google ran, tools that Google called, and their results, have neither text nor a place here.
            text(choice, part, each);
        }
    }
    if let Some(logprobs) = candidate.logprobs_result {
        each(Piece::Logprobs(sources::logprobs(logprobs)));
    }
    choice.note(candidate);
}

fn tool_call<'a>(
    choice: &mut Choice,
    function: &'a FunctionCall<'_>,
    part: &'a SaidPart<'_>,
    call: &Call,
    calls: &mut u32,
) -> ToolCall<'a> {
    let id = function.id.as_deref().filter(|id| !id.is_empty());
    let id = id.map_or_else(|| tool_call_id(call, *calls), str::to_owned);
    let index = choice.calls;
    choice.calls += 1;
    *calls += 1;
    ToolCall {
        index,
        id,
        name: function.name.as_deref().unwrap_or_default(),
        arguments: function.args.map_or_else(|| "{}".to_owned(), |args| compact(args.get())),
        signature: part.thought_signature.as_deref(),
    }
}

fn text(choice: &mut Choice, part: &SaidPart, each: &mut dyn FnMut(Piece)) {
    if let Some(signature) = &part.thought_signature {
        choice.signature = Some(signature.as_str().to_owned());
    }
    let Some(text) = part.text.as_deref().filter(|text| !text.is_empty()) else { return };
    if part.thought == Some(true) {
        each(Piece::Reasoning(text));
    } else {
        choice.text.push_str(text);
        each(Piece::Text(text));
    }
}

fn media(choice: &mut Choice, blob: &Blob, part: &SaidPart, each: &mut dyn FnMut(Piece)) {
    let media_type = blob.mime_type.as_deref().unwrap_or_default();
    let data = blob.data.as_deref().unwrap_or_default();
    if media_type.starts_with("audio/") {
        each(Piece::Audio(data));
    } else if media_type.starts_with("image/") && part.thought != Some(true) {
        let url = format!("data:{media_type};base64,{data}");
        let mut image = json!({ "index": choice.images, "type": "image_url", "image_url": { "url": url } });
        if let Some(signature) = part.thought_signature.as_deref() {
            image["extra_content"] = signed(signature);
        }
        choice.images += 1;
        each(Piece::Image(image));
    }
}

/// The `extra_content` that carries a thought signature to the client and back.
fn signed(signature: &str) -> Value {
    json!({ "google": { "thought_signature": signature } })
}

/// JSON without the white space between its tokens: Gemini sends arguments as it prints answers, with indentation.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |character: &char| {
        let keep = in_string || !character.is_ascii_whitespace();
        in_string ^= *character == '"' && !escaped;
        escaped = in_string && *character == '\\' && !escaped;
        keep
    };
    json.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn arguments_lose_the_space_between_their_tokens_and_nothing_else() {
        for (json, expected) in [
            ("{\n  \"a b\" : [1 , 2.50],\n  \"c\": \" \\\" \"\n}", r#"{"a b":[1,2.50],"c":" \" "}"#),
            (r#"{"path": "C:\\", "x": " y "}"#, r#"{"path":"C:\\","x":" y "}"#),
            ("{}", "{}"),
        ] {
            assert_eq!(compact(json), expected);
        }
    }
}
