//! Ollama's answers as canonical documents.

use serde_json::{Map, Value, json};
use weir_plugin::openai::{
    self, AnswerSink, Completion, EmbeddingList, FinishReason, Model, ModelList, Usage, WholeAnswer,
};
use weir_plugin::{Call, Failure, FailureKind};

use crate::wire::Line;

/// An answer of a chat. `legacy` says that the client speaks of functions.
pub fn chat(call: &Call, legacy: bool, body: &str) -> Result<String, Failure> {
    let mut line = line(body)?;
    if line.message.is_none() {
        return Err(unreadable());
    }
    let mut answer = WholeAnswer::new(call, legacy);
    tell(&mut line, &mut answer);
    answer.finish(None, line.model.as_deref(), finish_reason(&line), usage(&line))
}

/// An answer of a completion.
pub fn completion(call: &Call, body: &str) -> Result<String, Failure> {
    let mut line = line(body)?;
    let Some(text) = line.response.take() else { return Err(unreadable()) };
    let answer = Completion::new(call, openai::now(), line.model.as_deref().unwrap_or(&call.model));
    openai::to_json(&Completion { usage: usage(&line), ..answer.with(text, Some(finish_reason(&line))) })
}

/// An answer of embeddings.
pub fn embeddings(call: &Call, body: &str) -> Result<String, Failure> {
    let line = line(body)?;
    let vectors = line.embeddings.or_else(|| Some(vec![line.embedding?])).ok_or_else(unreadable)?;
    let model = line.model.unwrap_or_else(|| call.model.as_str().into());
    openai::to_json(&EmbeddingList::new(model, vectors, line.prompt_eval_count.unwrap_or(0)))
}

/// The models that are there.
pub fn models(body: &str) -> Result<String, Failure> {
    let list: Value = serde_json::from_str(body).map_err(|_| unreadable())?;
    let Some(models) = list["models"].as_array() else { return Err(line(body).err().unwrap_or_else(unreadable)) };
    openai::to_json(&ModelList::new(models.iter().filter_map(known_model).collect()))
}

/// One model, with what Ollama tells of it.
fn known_model(model: &Value) -> Option<Model<'_>> {
    let id = model["model"].as_str().or(model["name"].as_str()).filter(|id| !id.is_empty())?;
    let created = model["modified_at"].as_str().and_then(openai::seconds_since_1970).unwrap_or(0);
    // What stands before the name is whose it is; Ollama's own library needs no such word.
    let owner = id.rsplit_once('/').map_or("library", |(owner, _)| owner);
    let (details, capabilities) = (&model["details"], &model["capabilities"]);
    let has = |list: &Value, word: &str| list.as_array().is_some_and(|words| words.iter().any(|one| one == word));
    let sees = has(capabilities, "vision") || ["clip", "mllama"].iter().any(|one| has(&details["families"], one));
    let modalities = match sees {
        true => Some(json!(["text", "image"])),
        // Older builds do not say what a model can do.
        false => capabilities.is_array().then(|| json!(["text"])),
    };
    let context_window = details["context_length"].as_u64().filter(|tokens| *tokens > 0).map(Value::from);
    let carried = |name: &str| model.get(name).filter(|value| !value.is_null()).cloned();
    let extra = [
        ("context_window", context_window),
        ("input_modalities", modalities),
        ("capabilities", carried("capabilities")),
        ("details", carried("details")),
        ("size", carried("size")),
    ];
    let extra: Map<_, _> = extra.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    Some(Model { extra, ..Model::new(id, created, owner) })
}

/// What an error tells. Ollama knows of each model what it can do, and says so of what it cannot.
pub fn failure(status: u16, body: &str) -> Failure {
    let mut failure = openai::failure(status, body);
    let says = |words: &str| failure.message.contains(words);
    if status == 400 && (says("does not support") || says("is not supported for this model")) {
        let params = [("think", "reasoning_effort"), ("tools", "tools"), ("insert", "suffix"), ("embed", "input")];
        failure.param = params.iter().find(|(word, _)| says(word)).map(|(_, param)| (*param).to_owned());
        failure.kind = FailureKind::Unsupported;
    }
    failure
}

/// Reads a whole answer, or one line of a streamed one. An error may stand in place of either.
pub fn line(text: &str) -> Result<Line<'_>, Failure> {
    let line: Line = serde_json::from_str(text).map_err(|_| unreadable())?;
    if line.error.is_some() { Err(failure(200, text)) } else { Ok(line) }
}

/// Tells what a line of a chat brings.
pub fn tell(line: &mut Line<'_>, answer: &mut impl AnswerSink) {
    let turn = line.message.take().unwrap_or_default();
    answer.reasoning(turn.thinking.as_deref().unwrap_or_default());
    answer.text(turn.content.as_deref().unwrap_or_default());
    for call in turn.tool_calls.into_iter().flatten() {
        let function = call.function.unwrap_or_default();
        let place = answer.start_call(call.id.as_deref(), function.name.as_deref().unwrap_or_default());
        match function.arguments.as_ref().map_or("", |arguments| arguments.get()) {
            "null" => {}
            // Models whose template Ollama does not know write the object as text.
            text if text.starts_with('"') => {
                answer.arguments(place, &serde_json::from_str::<String>(text).unwrap_or_default());
            }
            object => answer.arguments(place, object),
        }
        answer.end_call(place);
    }
    if let Some(tokens) = line.logprobs.take() {
        answer.logprobs(tokens.into_iter().map(with_all_fields).collect());
    }
}

/// The probability of a token with the fields that clients look for.
fn with_all_fields(mut token: Value) -> Value {
    if let Some(fields) = token.as_object_mut() {
        fields.entry("bytes").or_insert(Value::Null);
        let others = fields.entry("top_logprobs").or_insert_with(|| json!([])).as_array_mut();
        for other in others.into_iter().flatten().filter_map(Value::as_object_mut) {
            other.entry("bytes").or_insert(Value::Null);
        }
    }
    token
}

/// Why an answer ended. The words for a model that was only loaded or unloaded are as good as `stop`.
pub fn finish_reason(line: &Line<'_>) -> FinishReason {
    FinishReason::from_upstream(line.done_reason.as_deref().unwrap_or_default())
}

/// What an answer cost, if its line says so.
pub fn usage(line: &Line<'_>) -> Option<Usage> {
    let (prompt, generated) = (line.prompt_eval_count, line.eval_count);
    prompt.or(generated).map(|_| Usage::new(prompt.unwrap_or(0), generated.unwrap_or(0)))
}

fn unreadable() -> Failure {
    Failure::bad_answer("The provider sent something that is not an answer of Ollama's API.")
}
