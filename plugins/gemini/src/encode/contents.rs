//! The conversation: who says what. System messages become the system instruction, and what one side says in a row
//! becomes one content. Results of tools are a content of their own: Gemini wants them right behind their calls.

use serde_json::Value;
use serde_json::value::RawValue;
use weir_plugin::Failure;
use weir_plugin::json::Json;
use weir_plugin::openai::{ChatRequest, Content, Media, MediaSource, Message, Piece, Place, Text, is_web, to_json};

use super::signature;
use crate::family;

/// What stands in for the signature of a call that another provider's model made. Google documents it for this.
const FOREIGN_CALL: &str = "skip_thought_signature_validator";

/// The Files API, whose files may be named by their ids alone.
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/";

/// Addresses that Google reads by itself: of Cloud Storage, of its Files API, of YouTube.
const GOOGLES: &str = "gs:// https://generativelanguage.googleapis.com/ https://www.youtube.com/ \
                       https://m.youtube.com/ https://youtube.com/ https://youtu.be/";

/// The conversation in Gemini's form.
#[derive(Default)]
pub struct Conversation {
    /// The URLs that the host has to fetch first. The rest is of no use if there are any.
    pub fetch: Vec<String>,
    system: Json,
    /// Who says what in a row.
    turns: Vec<(Speaker, Json)>,
    /// What the message says that is being translated.
    parts: Json,
    fetches: bool,
    is_newer: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    User,
    Model,
    Tool,
}

impl Conversation {
    /// Translates the messages of a request to `model`. `fetches` says whether the host is to fetch remote media.
    pub fn of(request: &ChatRequest, model: &str, fetches: bool) -> Result<Self, Failure> {
        let mut conversation = Self { fetches, is_newer: family::is_newer(model), ..Self::default() };
        for (index, message) in request.messages().iter().enumerate() {
            let place = Place::message(index);
            let speaker = match message.role.as_deref() {
                Some("system" | "developer") => None,
                Some("user") => Some(Speaker::User),
                Some("assistant") => Some(Speaker::Model),
                Some("tool" | "function") => Some(Speaker::Tool),
                _ => return Err(place.field(".role").invalid("There is no such role.")),
            };
            match speaker {
                Some(Speaker::Model) => conversation.assistant(message, place)?,
                Some(Speaker::Tool) => conversation.result(request, index)?,
                _ => conversation.content(message, place, None)?,
            }
            let parts = std::mem::take(&mut conversation.parts);
            match (speaker, conversation.turns.last_mut()) {
                _ if parts.is_empty() => {}
                (None, _) => drop(conversation.system.raw(parts.as_str())),
                (Some(speaker), Some((last, said))) if *last == speaker => drop(said.raw(parts.as_str())),
                (Some(speaker), _) => conversation.turns.push((speaker, parts)),
            }
        }
        Ok(conversation)
    }

    /// Writes the system instruction, if there is one, and the contents. Gemini wants at least one of these: a prompt
    /// of system messages alone becomes the user's.
    pub fn write(mut self, body: &mut Json) {
        if self.turns.is_empty() && !self.system.is_empty() {
            self.turns.push((Speaker::User, std::mem::take(&mut self.system)));
        }
        if !self.system.is_empty() {
            body.key("systemInstruction").open('{').within("parts", ['[', ']'], &self.system).close('}');
        }
        body.key("contents").open('[');
        for (speaker, parts) in &self.turns {
            let role = if *speaker == Speaker::Model { "model" } else { "user" };
            body.open('{').key("role").body(role).within("parts", ['[', ']'], parts).close('}');
        }
        body.close(']');
    }

    fn assistant(&mut self, message: &Message, place: Place) -> Result<(), Failure> {
        self.content(message, place, signature(&message.extra))?;
        // What the model drew in an earlier turn.
        for image in message.extra.get("images").and_then(Value::as_array).into_iter().flatten() {
            let url = image["image_url"]["url"].as_str().unwrap_or_default();
            let (media, signature) = (Media::at(url, "", ""), image.as_object().and_then(signature));
            self.media(&media, place.field(".images"), signature)?;
        }
        let calls = message.called(place)?;
        // Of the calls of one turn the first one is signed, so one signature anywhere shows that Gemini made them.
        let is_foreign = self.is_newer && calls.iter().all(|call| signature(call.extra).is_none());
        let mut stand_in = Some(FOREIGN_CALL).filter(|_| is_foreign);
        for call in calls {
            self.parts.open('{').key("functionCall").open('{').text("id", call.id).text("name", call.name);
            self.parts.key("args").raw(call.arguments.get()).close('}');
            self.parts.text("thoughtSignature", signature(call.extra).or(stand_in.take())).close('}');
        }
        Ok(())
    }

    /// The result of a function. Media go with it where the model takes them there, and beside it where not.
    fn result(&mut self, request: &ChatRequest, index: usize) -> Result<(), Failure> {
        let (message, place) = (&request.messages()[index], Place::message(index));
        let called = request.call_of(index).and_then(|call| call.function.as_ref());
        let Some(name) = called.and_then(|function| function.name.as_deref()).or(message.name.as_deref()) else {
            let message = "This is the result of no call of an earlier message.";
            return Err(place.field(".tool_call_id").invalid(message));
        };
        for piece in message.pieces(place)?.iter().filter(|piece| !matches!(piece, Piece::Text(_))) {
            self.piece(piece, None)?;
        }
        let mut others = std::mem::take(&mut self.parts);
        let text = message.content.as_ref().map(Content::joined).unwrap_or_default();
        let is_error = message.extra.get("is_error") == Some(&Value::Bool(true));
        self.parts.open('{').key("functionResponse").open('{').text("id", message.tool_call_id.as_deref());
        self.parts.key("name").string(name).key("response");
        match text.trim() {
            object if object.starts_with('{') && serde_json::from_str::<&RawValue>(object).is_ok() => {
                self.parts.raw(object)
            }
            // Gemini insists on an object.
            text => self.parts.open('{').key(if is_error { "error" } else { "result" }).string(text).close('}'),
        };
        if self.is_newer {
            self.parts.within("parts", ['[', ']'], &std::mem::take(&mut others));
        }
        self.parts.close('}').close('}');
        if !others.is_empty() {
            self.parts.raw(others.as_str());
        }
        Ok(())
    }

    /// The content of a message, its signature with the last of its texts.
    fn content(&mut self, message: &Message, place: Place, signature: Option<&str>) -> Result<(), Failure> {
        let mut pieces = message.pieces(place)?;
        let last_text = |pieces: &[Piece]| pieces.iter().rposition(|piece| matches!(piece, Piece::Text(_)));
        if signature.is_some() && last_text(&pieces).is_none() {
            pieces.push(Piece::Text(""));
        }
        let signed = last_text(&pieces);
        self.parts.reserve(pieces.iter().map(|piece| piece.size() + 64).sum());
        for (at, piece) in pieces.iter().enumerate() {
            self.piece(piece, signature.filter(|_| signed == Some(at)))?;
        }
        Ok(())
    }

    fn piece(&mut self, piece: &Piece, signature: Option<&str>) -> Result<(), Failure> {
        match piece {
            Piece::Text(text) => {
                self.parts.open('{').key("text").string(text).text("thoughtSignature", signature).close('}');
            }
            Piece::Media(media, place) => self.media(media, *place, signature)?,
            // A part in Gemini's own form.
            Piece::Other(part, _) if part.kind.is_none() && !part.extra.is_empty() => {
                self.parts.raw(&to_json(&part.extra)?);
            }
            Piece::Other(_, place) => {
                return Err(place.unsupported("This provider does not take parts of this type."));
            }
        }
        Ok(())
    }

    fn media(&mut self, media: &Media, place: Place, signature: Option<&str>) -> Result<(), Failure> {
        let (field, name, content) = match media.source {
            MediaSource::Base64(data) => ("inlineData", "data", Text::from(data)),
            MediaSource::Uploaded(id) if id.starts_with("files/") => {
                ("fileData", "fileUri", format!("{FILES}{id}").into())
            }
            MediaSource::Web(address) | MediaSource::Elsewhere(address) if self.refer(address) => {
                ("fileData", "fileUri", address.into())
            }
            _ => return Err(place.invalid("This has to be an http(s) URL, a gs:// URL or a data URL in base64.")),
        };
        // What is inline has to have a type. Sounds are named by their format.
        let sound = format!("audio/{}", media.name);
        let unknown = if media.name.is_empty() { "application/octet-stream" } else { &sound };
        let kind = media.kind().or(Some(unknown).filter(|_| field == "inlineData"));
        self.parts.open('{').key(field).open('{').text("mimeType", kind).key(name).string(&content).close('}');
        self.parts.text("thoughtSignature", signature).close('}');
        Ok(())
    }

    /// Whether Gemini can be referred to an address. What only the host can fetch there, it has to fetch first.
    fn refer(&mut self, address: &str) -> bool {
        let is_googles = GOOGLES.split(' ').any(|start| address.starts_with(start));
        let is_remote = is_web(address);
        if self.fetches && is_remote && !is_googles && !self.fetch.iter().any(|other| other == address) {
            self.fetch.push(address.to_owned());
        }
        is_remote || is_googles
    }
}
