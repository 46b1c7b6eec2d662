//! What clients rely on in every answer and every stream, whichever upstream it came from.

use std::collections::{HashMap, HashSet};

use crate::openai::{ChatCompletion, Chunk, ChunkChoice, EmbeddingList, FinishReason, ModelList};
use crate::{Encoded, Failure, Operation};

/// Holds what `encode` answered by itself against the rules.
pub(super) fn encoded(operation: Operation, encoded: &Result<Encoded, Failure>) -> Result<(), String> {
    match encoded {
        Ok(Encoded::Answer(document)) => answer(operation, Ok(document)),
        Ok(Encoded::Chunks(chunks)) => self::chunks(operation, chunks, false),
        Ok(Encoded::Send(request)) if !request.path.starts_with('/') => {
            Err(format!("the path {} does not start with /", request.path))
        }
        Ok(Encoded::Fetch(urls)) => demand(!urls.is_empty(), "it has the host fetch nothing"),
        Ok(Encoded::Send(_)) | Err(_) => Ok(()),
    }
}

/// Holds a whole answer against the rules. Failures are fine.
pub(super) fn answer(operation: Operation, answer: Result<&str, &Failure>) -> Result<(), String> {
    let Ok(document) = answer else { return Ok(()) };
    match operation {
        Operation::Chat => completion(document),
        Operation::Models => models(document),
        Operation::Embeddings => embeddings(document),
        // What these look like is the upstream's own business: they are relayed.
        Operation::Completions | Operation::Responses | Operation::Messages | Operation::CountTokens => {
            serde_json::from_str::<serde::de::IgnoredAny>(document).map(|_| ()).map_err(|error| error.to_string())
        }
    }
    .map_err(|problem| format!("{problem} in\n{document}"))
}

fn completion(document: &str) -> Result<(), String> {
    let answer: ChatCompletion = serde_json::from_str(document).map_err(|error| error.to_string())?;
    demand(answer.object.as_deref() == Some("chat.completion"), "object is not chat.completion")?;
    demand(answer.id.is_some_and(|id| !id.is_empty()), "id is missing")?;
    demand(answer.created.is_some() && answer.model.is_some(), "created or model is missing")?;
    demand(!answer.extra.contains_key("error"), "an answer must not have an error")?;
    let choices = answer.choices.ok_or("choices are missing")?;
    for choice in choices {
        demand(choice.index.is_some(), "a choice has no index")?;
        known_reason(choice.finish_reason.as_deref())?;
        let message = choice.message.ok_or("a choice has no message")?;
        demand(message.role.as_deref() == Some("assistant"), "the role is not assistant")?;
        let calls = message.tool_calls;
        demand(calls.as_ref().is_none_or(|calls| !calls.is_empty()), "tool_calls are empty rather than absent")?;
        let mut ids = HashSet::new();
        for call in calls.unwrap_or_default() {
            let id = call.id.unwrap_or_default().into_string();
            demand(!id.is_empty() && ids.insert(id), "the id of a tool call is missing or not its own")?;
            demand(call.kind.is_some(), "a tool call has no type")?;
            let function = call.function.unwrap_or_default();
            let complete = function.name.is_some() && function.arguments.is_some_and(|text| !text.is_empty());
            demand(complete || call.custom.is_some(), "a tool call lacks its name or its arguments")?;
        }
    }
    Ok(())
}

fn models(document: &str) -> Result<(), String> {
    let list: ModelList = serde_json::from_str(document).map_err(|error| error.to_string())?;
    demand(list.object.as_deref() == Some("list"), "object is not list")?;
    for model in list.data.ok_or("data is missing")? {
        demand(model.id.is_some_and(|id| !id.is_empty()), "a model has no id")?;
        demand(model.object.is_some() && model.created.is_some() && model.owned_by.is_some(), "a model lacks a field")?;
    }
    Ok(())
}

fn embeddings(document: &str) -> Result<(), String> {
    let list: EmbeddingList = serde_json::from_str(document).map_err(|error| error.to_string())?;
    demand(list.object.as_deref() == Some("list") && list.model.is_some(), "object is not list, or model is missing")?;
    for (place, embedding) in list.data.ok_or("data is missing")?.iter().enumerate() {
        demand(
            embedding.index.and_then(|index| usize::try_from(index).ok()) == Some(place),
            "an index is not in order",
        )?;
        demand(embedding.object.as_deref() == Some("embedding"), "an entry's object is not embedding")?;
        demand(embedding.embedding.is_some(), "an entry has no embedding")?;
    }
    Ok(())
}

/// Holds a stream against the rules. `resumed` says that it begins after chunks that are not here.
pub(super) fn chunks(operation: Operation, chunks: &[String], resumed: bool) -> Result<(), String> {
    if operation != Operation::Chat {
        return Ok(());
    }
    let mut stream = Stream { resumed, ..Stream::default() };
    for text in chunks {
        stream.chunk(text).map_err(|problem| format!("{problem} in\n{text}"))?;
    }
    Ok(())
}

/// What has been seen of a stream.
#[derive(Default)]
struct Stream {
    resumed: bool,
    /// The id, the time and the model that all chunks share.
    identity: Option<(String, u64, String)>,
    /// Whether each choice has ended.
    choices: HashMap<u32, bool>,
    /// The calls that have begun, by choice and index.
    calls: HashSet<(u32, u32)>,
}

impl Stream {
    fn chunk(&mut self, text: &str) -> Result<(), String> {
        let chunk: Chunk = serde_json::from_str(text).map_err(|error| error.to_string())?;
        demand(!text.contains('\n'), "a chunk has more than one line")?;
        demand(chunk.object.as_deref() == Some("chat.completion.chunk"), "object is not chat.completion.chunk")?;
        demand(!chunk.extra.contains_key("error"), "a chunk must not have an error")?;
        let identity = (
            chunk.id.ok_or("id is missing")?.into_string(),
            chunk.created.ok_or("created is missing")?,
            chunk.model.ok_or("model is missing")?.into_string(),
        );
        demand(!identity.0.is_empty(), "id is empty")?;
        demand(self.identity.get_or_insert_with(|| identity.clone()) == &identity, "id, created or model changed")?;
        let choices = chunk.choices.ok_or("choices are missing")?;
        if chunk.usage.is_some() {
            demand(choices.is_empty(), "usage belongs into a chunk without choices")?;
        }
        choices.iter().try_for_each(|choice| self.choice(choice))
    }

    fn choice(&mut self, choice: &ChunkChoice<'_>) -> Result<(), String> {
        let index = choice.index.ok_or("a choice has no index")?;
        let delta = choice.delta.as_ref().ok_or("a choice has no delta")?;
        demand(self.choices.get(&index) != Some(&true), "a choice goes on after its finish_reason")?;
        let first = !self.choices.contains_key(&index) && !self.resumed;
        demand(first || self.resumed || delta.role.is_none(), "the role is repeated")?;
        demand(!first || delta.role.as_deref() == Some("assistant"), "the first delta of a choice has no role")?;
        for call in delta.tool_calls.iter().flatten() {
            let begun = (index, call.index.ok_or("a tool call has no index")?);
            let new = self.calls.insert(begun) && !self.resumed;
            let function = call.function.as_ref().is_some_and(|function| function.name.is_some());
            let name = function || call.extra.get("custom").is_some_and(|custom| custom.get("name").is_some());
            let identity = [call.id.is_some(), call.kind.is_some(), name];
            demand(!new || identity == [true; 3], "a new tool call lacks its id, type or name")?;
            demand(new || self.resumed || identity == [false; 3], "a tool call repeats its id, type or name")?;
        }
        if let Some(reason) = choice.finish_reason.as_deref() {
            known_reason(Some(reason))?;
        }
        self.choices.insert(index, choice.finish_reason.is_some());
        Ok(())
    }
}

fn known_reason(reason: Option<&str>) -> Result<(), String> {
    let reason = reason.ok_or("a choice has no finish_reason")?;
    let known = FinishReason::from_upstream(reason).as_str() == reason;
    demand(known, "finish_reason is none of those that clients know")
}

fn demand(condition: bool, problem: &str) -> Result<(), String> {
    if condition { Ok(()) } else { Err(problem.to_owned()) }
}
