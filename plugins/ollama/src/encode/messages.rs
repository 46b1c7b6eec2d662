//! The conversation. Ollama's messages hold one text and a list of images each, and results name their function.

use weir_plugin::Failure;
use weir_plugin::openai::{ChatRequest, Media, MediaSource, Message, Piece, Place, ToolCall};

use crate::wire::{Function, FunctionCall, Turn};

/// A conversation in Ollama's form.
#[derive(Debug, Default)]
pub struct Conversation<'a> {
    /// Its messages.
    pub turns: Vec<Turn<'a>>,
    /// The addresses of images that are not in the request itself.
    pub elsewhere: Vec<String>,
}

impl<'a> Conversation<'a> {
    /// Translates the messages of a normalized request.
    pub fn of(request: &'a ChatRequest) -> Result<Self, Failure> {
        let mut conversation = Self::default();
        for (index, message) in request.messages().iter().enumerate() {
            message.expect_parts(index, &["text", "image_url"])?;
            let mut turn = conversation.turn(message, Place::message(index))?;
            if message.role.as_deref() == Some("tool") {
                let called = || request.call_of(index)?.function.as_ref()?.name.as_deref();
                turn.tool_name = message.name.as_deref().or_else(called).map(Into::into);
                turn.tool_call_id = message.tool_call_id.as_deref().map(Into::into);
            }
            conversation.turns.push(turn);
        }
        Ok(conversation)
    }

    fn turn(&mut self, message: &'a Message, place: Place) -> Result<Turn<'a>, Failure> {
        let (mut texts, mut turn) = (Vec::new(), Turn::default());
        for piece in message.pieces(place)? {
            match piece {
                Piece::Text(text) => texts.push(text),
                Piece::Media(Media { source: MediaSource::Web(url), .. }, _) => self.elsewhere.push(url.to_owned()),
                Piece::Media(Media { source: MediaSource::Base64(data), .. }, _) => {
                    turn.images.get_or_insert_default().push(data.into());
                }
                Piece::Media(_, place) | Piece::Other(_, place) => {
                    let message = "An image has to be an http(s) URL, or a data URL in base64.";
                    return Err(place.field("").invalid(message));
                }
            }
        }
        turn.role = message.role.as_deref().map(Into::into);
        turn.content = Some(match texts[..] {
            [only] => only.into(),
            _ => texts.concat().into(),
        });
        turn.thinking = message.reasoning_content.as_deref().filter(|thought| !thought.is_empty()).map(Into::into);
        if let Some(calls) = &message.tool_calls {
            let calls = calls.iter().enumerate().map(|(at, call)| function_call(call, place.element("tool_calls", at)));
            turn.tool_calls = Some(calls.collect::<Result<_, _>>()?);
        }
        Ok(turn)
    }
}

/// A call, its arguments as the object that they are.
fn function_call<'a>(call: &'a ToolCall, place: Place) -> Result<FunctionCall<'a>, Failure> {
    let function = call.function.as_ref().ok_or_else(|| place.unsupported("Ollama has no tools but functions."))?;
    let arguments = Some(function.object(|| place.to_string())?.to_owned());
    let function = Function { name: function.name.as_deref().map(Into::into), arguments, ..Function::default() };
    let id = call.id.as_deref().map(Into::into);
    Ok(FunctionCall { id, function: Some(function), ..FunctionCall::default() })
}
