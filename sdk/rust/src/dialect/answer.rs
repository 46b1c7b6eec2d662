//! A whole answer that does not conform, made to.

use crate::openai::{self, AnswerMessage, ChatCompletion, Choice, FinishReason, Text, ToolCall, Usage};
use crate::{Call, Failure};
use serde_json::Value;

use super::straighten;

/// The canonical form of the answer to `call`, or the failure that it tells of in spite of its `status`.
pub fn answer(call: &Call, status: u16, body: &str) -> Result<String, Failure> {
    let mut room = String::new();
    let mut answer: ChatCompletion = straighten::read(body, &mut room)?;
    expect(answer.choices.is_some(), "choices", &answer.extra, status, body)?;
    answer.extra.shift_remove("error");
    answer.id = answer.id.filter(|id| !id.is_empty()).or_else(|| Some(openai::completion_id(call).into()));
    answer.object = Some("chat.completion".into());
    answer.created = answer.created.or_else(|| Some(openai::now()));
    answer.model = answer.model.filter(|model| !model.is_empty()).or_else(|| Some(call.model.as_str().into()));
    answer.service_tier = answer.service_tier.filter(is_known_tier);
    answer.usage = usage(answer.usage, &answer.extra).map(Usage::completed);
    for (position, choice) in answer.choices.iter_mut().flatten().enumerate() {
        repair(call, position, choice)?;
    }
    openai::to_json(&answer)
}

/// Whether a document is an answer: it has the field that every answer has, and no error beside it.
pub fn expect(
    has_field: bool,
    field: &str,
    extra: &serde_json::Map<String, Value>,
    status: u16,
    body: &str,
) -> Result<(), Failure> {
    let tells = |names: &[&str]| names.iter().any(|name| reports_error(extra.get(*name)));
    match has_field {
        true if !tells(&["error"]) => Ok(()),
        false if !tells(&["error", "detail", "message"]) => {
            Err(Failure::bad_answer(format!("The provider sent an answer without {field}.")))
        }
        _ => Err(super::failure::failure(status, body)),
    }
}

/// Whether an `error` beside an answer says that there is one.
pub fn reports_error(error: Option<&Value>) -> bool {
    match error {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty() && text != "None",
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

/// What the answer cost: where the API has it, or where Groq put it.
pub fn usage(usage: Option<Usage>, extra: &serde_json::Map<String, Value>) -> Option<Usage> {
    let elsewhere = || serde_json::from_str(&extra.get("x_groq")?.get("usage")?.to_string()).ok();
    let says_something = |usage: &Usage| usage.prompt_tokens.or(usage.completion_tokens).is_some();
    usage.or_else(elsewhere).filter(says_something)
}

/// Whether clients know this service tier: typed ones refuse an answer with another.
pub fn is_known_tier(tier: &Text<'_>) -> bool {
    ["auto", "default", "flex", "scale", "priority"].contains(&tier.as_str())
}

/// Why a choice ended, in the words of the API. `None` if it has not.
///
/// # Errors
/// If the upstream says that it broke off.
pub fn finish_reason(
    reason: Option<&str>,
    extra: &serde_json::Map<String, Value>,
    calls_tools: bool,
) -> Result<Option<FinishReason>, Failure> {
    // OpenAI's own servers had it elsewhere once.
    let elsewhere = || extra.get("finish_details")?.get("type")?.as_str();
    match reason.filter(|reason| !matches!(*reason, "" | "None")).or_else(elsewhere) {
        None => Ok(None),
        Some("error") => Err(Failure::bad_answer("The provider broke off its answer with an error.")),
        Some(reason) => match FinishReason::from_upstream(reason) {
            FinishReason::Stop if calls_tools => Ok(Some(FinishReason::ToolCalls)),
            reason => Ok(Some(reason)),
        },
    }
}

fn repair<'a>(call: &Call, position: usize, choice: &mut Choice<'a>) -> Result<(), Failure> {
    if let Some(error) = choice.extra.get("error").filter(|error| reports_error(Some(error))) {
        return Err(super::failure::failure(200, &serde_json::json!({ "error": error }).to_string()));
    }
    choice.extra.shift_remove("delta");
    let message = choice.message.get_or_insert_default();
    message.role = Some("assistant".into());
    repair_reasoning(message);
    // Nobody can answer a call that does not say of what.
    message.tool_calls.iter_mut().for_each(|calls| calls.retain(names_a_tool));
    message.tool_calls = message.tool_calls.take().filter(|calls| !calls.is_empty());
    for (number, tool_call) in message.tool_calls.iter_mut().flatten().enumerate() {
        repair_tool_call(call, position, number, tool_call);
    }
    keep_known_annotations(message);
    let calls_tools = message.tool_calls.is_some();
    let reason = finish_reason(choice.finish_reason.as_deref(), &choice.extra, calls_tools)?;
    let reason = reason.unwrap_or(if calls_tools { FinishReason::ToolCalls } else { FinishReason::Stop });
    choice.finish_reason = Some(reason.as_str().into());
    choice.index = choice.index.or_else(|| u32::try_from(position).ok());
    choice.logprobs = choice.logprobs.take().filter(Value::is_object);
    Ok(())
}

fn names_a_tool(tool_call: &ToolCall<'_>) -> bool {
    let function = tool_call.function.as_ref().and_then(|function| function.name.as_deref());
    let custom = tool_call.custom.as_ref().and_then(|custom| custom.name.as_deref());
    function.or(custom).is_some_and(|name| !name.is_empty())
}

/// The other name for what the model thought.
fn repair_reasoning(message: &mut AnswerMessage<'_>) {
    if let Some(Value::String(reasoning)) = message.extra.shift_remove("reasoning") {
        message.reasoning_content.get_or_insert(reasoning.into());
    }
}

fn repair_tool_call(call: &Call, choice: usize, number: usize, tool_call: &mut ToolCall<'_>) {
    // Ids are for the whole conversation: those of another choice must not be the same.
    let number = u32::try_from(choice * 1000 + number).unwrap_or(u32::MAX);
    tool_call.id = tool_call.id.take().filter(|id| !id.is_empty());
    tool_call.id.get_or_insert_with(|| openai::tool_call_id(call, number).into());
    let kind = if tool_call.custom.is_some() { "custom" } else { "function" };
    tool_call.kind = Some(kind.into());
    if let Some(function) = &mut tool_call.function {
        function.arguments = function.arguments.take().filter(|arguments| !arguments.trim().is_empty());
        function.arguments.get_or_insert("{}".into());
    }
    tool_call.extra.shift_remove("index");
}

/// Typed clients know one kind of annotation, and refuse an answer with another: the others move to a field beside.
fn keep_known_annotations(message: &mut AnswerMessage<'_>) {
    let is_known = |annotation: &Value| annotation.get("type").is_some_and(|kind| kind == "url_citation");
    if let Some(annotations) = message.annotations.take() {
        let (known, others): (Vec<_>, Vec<_>) = annotations.into_iter().partition(is_known);
        message.annotations = Some(known);
        if !others.is_empty() {
            message.extra.insert("other_annotations".to_owned(), others.into());
        }
    }
}
