//! Completions, as they were before chats: an answer or a chunk that does not conform, made to.

use crate::openai::{self, Completion, CompletionChoice, Text, Usage};
use crate::{Call, Event, Failure, Position, Progress, StreamDecoder};

use super::answer::{expect, finish_reason, usage};
use super::identity::Identity;
use super::straighten;

/// The canonical form of an answer, or the failure that it tells of in spite of its `status`.
pub fn answer(call: &Call, status: u16, body: &str) -> Result<String, Failure> {
    let mut room = String::new();
    let mut answer: Completion = straighten::read(body, &mut room)?;
    expect(answer.choices.is_some(), "choices", &answer.extra, status, body)?;
    for (position, choice) in answer.choices.iter_mut().flatten().enumerate() {
        repair(position, choice)?;
        choice.finish_reason.get_or_insert("stop".into());
    }
    identify(&mut answer, &mut Identity::new(None), call);
    openai::to_json(&answer)
}

/// A stream of chunks that do not conform.
#[derive(Debug)]
pub struct CompletionStream {
    call: Call,
    status: u16,
    identity: Identity,
}

crate::parkable!(struct CompletionStream { call, status, identity });

impl CompletionStream {
    /// Starts. `status` is that of the answer's head.
    pub fn new(call: Call, status: u16, resume: Option<Position>) -> Self {
        Self { call, status, identity: Identity::new(resume) }
    }

    fn chunk(&mut self, event: &str, data: &str) -> Result<String, Failure> {
        if event == "error" {
            return Err(super::failure::failure(self.status, data));
        }
        let mut room = String::new();
        let mut chunk: Completion = straighten::read(data, &mut room)?;
        expect(chunk.choices.is_some() || chunk.usage.is_some(), "choices", &chunk.extra, self.status, data)?;
        for (position, choice) in chunk.choices.get_or_insert_default().iter_mut().enumerate() {
            repair(position, choice)?;
        }
        identify(&mut chunk, &mut self.identity, &self.call);
        openai::to_json(&chunk)
    }
}

impl StreamDecoder for CompletionStream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let mut chunks = Vec::with_capacity(events.len());
        for event in events {
            match event.data.trim() {
                "" => {}
                "[DONE]" => return Ok(Progress { chunks, ended: true }),
                data => chunks.push(self.chunk(&event.name, data)?),
            }
        }
        Ok(Progress { chunks, ended: false })
    }
}

fn identify(document: &mut Completion<'_>, identity: &mut Identity, call: &Call) {
    let given = (document.id.take(), document.created, document.model.take());
    let identity = identity.shared(given, call, |call| openai::completion_id(call).replacen("chatcmpl", "cmpl", 1));
    document.id = Some(identity.id.clone().into());
    document.object = Some("text_completion".into());
    document.created = Some(identity.created);
    document.model = Some(identity.model.clone().into());
    document.extra.shift_remove("error");
    document.usage = usage(document.usage.take(), &document.extra).map(Usage::completed);
}

fn repair(position: usize, choice: &mut CompletionChoice<'_>) -> Result<(), Failure> {
    // Some answer with the message of a chat.
    let message = ["message", "delta"].into_iter().find_map(|name| choice.extra.shift_remove(name));
    let said = || message.as_ref().and_then(|message| message.get("content")?.as_str());
    choice.text.get_or_insert_with(|| said().map_or_else(Text::default, |text| text.to_owned().into()));
    choice.index = choice.index.or_else(|| u32::try_from(position).ok());
    choice.logprobs = choice.logprobs.take().filter(serde_json::Value::is_object);
    let reason = finish_reason(choice.finish_reason.as_deref(), &choice.extra, false)?;
    choice.finish_reason = reason.map(|reason| reason.as_str().into());
    Ok(())
}
