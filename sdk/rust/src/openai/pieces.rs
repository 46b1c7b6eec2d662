//! What messages say, for upstreams whose messages are of another form: content piece by piece, calls with their
//! arguments as objects, and the call that a result is of.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{ChatRequest, Content, Media, MediaSource, Message, Part, Place, ToolCall};
use crate::Failure;

/// A piece of what a message says.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Text, which is not empty.
    Text(&'a str),
    /// Something besides text, and where it stands.
    Media(Media<'a>, Place),
    /// A part of another type. Without any, it may be in the upstream's own form.
    Other(&'a Part<'a>, Place),
}

/// A function that the assistant called.
#[derive(Debug)]
pub struct Called<'a> {
    /// What the result refers to. Not empty.
    pub id: Option<&'a str>,
    /// The function.
    pub name: Option<&'a str>,
    /// Its arguments: an object.
    pub arguments: &'a RawValue,
    /// The fields of the call that OpenAI's API does not have.
    pub extra: &'a Map<String, Value>,
}

impl Piece<'_> {
    /// How many bytes its content has, for those who make room for it. 0 if that is not known.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Media(Media { source: MediaSource::Base64(data), .. }, _) => data.len(),
            Self::Media(..) | Self::Other(..) => 0,
        }
    }
}

impl<'a> Message<'a> {
    /// The content, without texts that are empty: most upstreams refuse them. If there is none, what the assistant
    /// said when it declined. `place` is where the message stands.
    ///
    /// # Errors
    /// `invalid-request` for a file with neither content nor id.
    pub fn pieces(&'a self, place: Place) -> Result<Vec<Piece<'a>>, Failure> {
        let text = |text: &'a str| Some(Piece::Text(text)).filter(|_| !text.is_empty());
        let piece = |(at, part): (usize, &'a Part<'a>)| {
            let place = place.element("content", at);
            Ok(match part.kind.as_deref() {
                Some("text") => text(part.text.as_deref().unwrap_or_default()),
                Some("refusal") => text(part.refusal.as_deref().unwrap_or_default()),
                Some("image_url") => Some(Piece::Media(part.media(), place.field(".image_url.url"))),
                Some("video_url") => Some(Piece::Media(part.media(), place.field(".video_url.url"))),
                Some("input_audio") => Some(Piece::Media(part.media(), place.field(".input_audio.data"))),
                Some("file") => Some(file(part, place)?),
                _ => Some(Piece::Other(part, place)),
            })
        };
        let mut pieces: Vec<_> = match &self.content {
            None => Vec::new(),
            Some(Content::Text(content)) => text(content).into_iter().collect(),
            Some(Content::Parts(parts)) => {
                parts.iter().enumerate().map(piece).filter_map(Result::transpose).collect::<Result<_, _>>()?
            }
        };
        if pieces.is_empty() {
            pieces.extend(self.refusal.as_deref().and_then(text));
        }
        Ok(pieces)
    }

    /// The functions that the assistant called in this turn, in the present form and in that before it.
    ///
    /// # Errors
    /// `unsupported` for calls of other tools, `invalid-request` for arguments that are no object.
    pub fn called(&self, place: Place) -> Result<Vec<Called<'_>>, Failure> {
        let calls = self.tool_calls.as_deref().unwrap_or_default();
        let of_old = self.function_call.iter().map(|function| {
            let param = place.field(".function_call.arguments");
            let arguments = function.object(String::new).map_err(|failure| param.invalid(failure.message))?;
            Ok(Called { id: None, name: function.name.as_deref(), arguments, extra: &function.extra })
        });
        let called = calls.iter().enumerate().map(|(at, call)| call.called(place.element("tool_calls", at)));
        called.chain(of_old).collect()
    }
}

impl ToolCall<'_> {
    /// The function that is called. `place` is where the call stands.
    ///
    /// # Errors
    /// As [`Message::called`].
    pub fn called(&self, place: Place) -> Result<Called<'_>, Failure> {
        let function = self.function.as_ref();
        let function = function.ok_or_else(|| place.unsupported("This provider has no tools but functions."))?;
        let arguments = function.object(|| place.to_string())?;
        let id = self.id.as_deref().filter(|id| !id.is_empty());
        Ok(Called { id, name: function.name.as_deref(), arguments, extra: &self.extra })
    }
}

impl<'a> ChatRequest<'a> {
    /// The call that the message with this index is the result of: the last one before it that has its id.
    pub fn call_of(&self, result: usize) -> Option<&ToolCall<'a>> {
        let (before, rest) = self.messages().split_at_checked(result)?;
        let id = rest.first()?.tool_call_id.as_deref().filter(|id| !id.is_empty())?;
        let mut calls = before.iter().rev().flat_map(|message| message.tool_calls.iter().flatten().rev());
        calls.find(|call| call.id.as_deref() == Some(id))
    }
}

fn file<'a>(part: &'a Part<'_>, place: Place) -> Result<Piece<'a>, Failure> {
    let media = part.media();
    let field = match media.source {
        MediaSource::Missing => return Err(place.field(".file").invalid("A file needs file_data or file_id.")),
        MediaSource::Uploaded(_) => ".file.file_id",
        _ => ".file.file_data",
    };
    Ok(Piece::Media(media, place.field(field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(document: &str) -> Message<'_> {
        serde_json::from_str(document).unwrap()
    }

    #[test]
    fn content_comes_in_pieces_without_what_is_empty() {
        let cases = [
            (r#"{"content":"a"}"#, "a"),
            (r#"{"content":""}"#, ""),
            (r#"{"content":null,"refusal":"no"}"#, "no"),
            (r#"{"content":"a","refusal":"no"}"#, "a"),
            (
                r#"{"content":[{"type":"text","text":""},{"type":"refusal","refusal":"b"},{"type":"image_url"}]}"#,
                "b media",
            ),
            (r#"{"content":[{"own":1},{"type":"odd"}]}"#, "messages[0].content[0] messages[0].content[1]"),
        ];
        for (document, expected) in cases {
            let message = message(document);
            let pieces = message.pieces(Place::message(0)).unwrap();
            let pieces = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => (*text).to_owned(),
                Piece::Media(..) => "media".to_owned(),
                Piece::Other(_, place) => place.to_string(),
            });
            assert_eq!(pieces.collect::<Vec<_>>().join(" "), expected, "{document}");
        }
    }

    #[test]
    fn arguments_are_objects_or_their_place_is_named() {
        let cases = [
            (r#"[{"id":"c","function":{"name":"f","arguments":" {\"a\":1} "}}]"#, Ok(r#"c f {"a":1}"#)),
            (r#"[{"id":"","function":{"name":"f","arguments":"null"}}]"#, Ok(" f {}")),
            (r#"[{"function":{"name":"f"}}]"#, Ok(" f {}")),
            (r#"[{"function":{"name":"f","arguments":"[1]"}}]"#, Err("messages[2].tool_calls[0].function.arguments")),
            (r#"[{"function":{"name":"f","arguments":"{"}}]"#, Err("messages[2].tool_calls[0].function.arguments")),
            (r#"[{"custom":{"name":"f","input":"x"}}]"#, Err("messages[2].tool_calls[0]")),
        ];
        for (calls, expected) in cases {
            let document = format!(r#"{{"tool_calls":{calls}}}"#);
            let message = message(&document);
            let called = message.called(Place::message(2)).map_err(|failure| failure.param.unwrap_or_default());
            let called = called.map(|called| {
                let Called { id, name, arguments, .. } = &called[0];
                format!("{} {} {arguments}", id.unwrap_or_default(), name.unwrap_or_default())
            });
            assert_eq!(called.as_deref().map_err(String::as_str), expected, "{calls}");
        }
        let of_old = message(r#"{"function_call":{"name":"f","arguments":"7"}}"#);
        let param = of_old.called(Place::message(0)).unwrap_err().param;
        assert_eq!(param.as_deref(), Some("messages[0].function_call.arguments"));
    }

    #[test]
    fn a_result_belongs_to_the_last_call_before_it_with_its_id() {
        let document = r#"{"messages":[
            {"tool_calls":[{"id":"a","function":{"name":"old"}},{"id":"b","function":{"name":"other"}}]},
            {"tool_calls":[{"id":"a","function":{"name":"new"}},{"id":"","function":{"name":"none"}}]},
            {"tool_call_id":"a"},{"tool_call_id":"b"},{"tool_call_id":"c"},{"tool_call_id":""},{},
            {"tool_calls":[{"id":"c","function":{"name":"late"}}]}]}"#;
        let request: ChatRequest = serde_json::from_str(document).unwrap();
        let name = |index| request.call_of(index)?.function.as_ref()?.name.as_deref();
        assert_eq!([2, 3, 4, 5, 6, 99].map(name), [Some("new"), Some("other"), None, None, None, None]);
    }
}
