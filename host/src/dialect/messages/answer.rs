//! A whole answer as a message: what the model thought, what it said, what it calls.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::canonical::{Call, Function, Said, bad_answer, body, parse, text};
use super::reply::{Asked, Block, Ending, Input, Message, Usage};
use crate::dialect::carried::Carried;
use crate::error::Error;

/// Translates an answer.
pub(super) fn translate(document: &[u8], asked: &Asked) -> Result<Bytes, Error> {
    let document = std::str::from_utf8(document).map_err(|fault| bad_answer(fault.to_string()))?;
    let answer = parse(document)?;
    let choice = answer.choices.first().ok_or_else(|| bad_answer("an answer without choices"))?;
    let said = &choice.said;

    let mut content = thoughts(said);
    content.extend(spoken(said));
    let calls = said.tool_calls.iter().flatten().filter_map(call);
    let before = content.len();
    content.extend(calls);
    content.extend(said.function_call.as_ref().map(|function| called(asked.call_id().into(), function, None)));

    let is_called = content.len() > before;
    content.extend(carried(said));
    let refusal = text(said.refusal).map(Cow::into_owned);
    let ending = Ending::of(choice, is_called, refusal, asked);
    let usage = answer.usage().map(Usage::from).unwrap_or_default().with_service_tier(body(answer.service_tier));
    let model = text(answer.model).unwrap_or_default();
    let message = Message::new(asked, model, content, ending, usage);
    serde_json::to_vec(&message).map(Bytes::from).map_err(|fault| Error::internal(fault.to_string()))
}

/// The thinking blocks as they are, or one with all that is known of the reasoning.
fn thoughts<'a>(said: &Said<'a>) -> Vec<Block<'a>> {
    let blocks = said.thinking_blocks().into_iter().map(|block| match text(block.data) {
        Some(data) => Block::RedactedThinking { data },
        None => Block::Thinking {
            thinking: text(block.thinking).unwrap_or_default(),
            signature: text(block.signature).unwrap_or_default(),
        },
    });
    let mut blocks: Vec<_> = blocks.collect();
    if blocks.is_empty()
        && let Some(thinking) = text(said.reasoning_content)
    {
        blocks.push(Block::Thinking { thinking, signature: Cow::Borrowed("") });
    }
    blocks
}

/// The text with its citations, and what the model said when it declined.
fn spoken<'a>(said: &Said<'a>) -> impl Iterator<Item = Block<'a>> {
    let extra_content = said.extra_content;
    let content = text(said.content).map(|text| Block::Text { text, citations: said.citations(), extra_content });
    let refusal = text(said.refusal).map(|text| Block::Text { text, citations: Vec::new(), extra_content: None });
    content.into_iter().chain(refusal)
}

/// What the upstream wants back. At the end: clients that know nothing of thinking look at the first block.
fn carried<'a>(said: &Said<'a>) -> Option<Block<'a>> {
    let mut carried = Carried::default();
    said.carry(&mut carried);
    for call in said.tool_calls.iter().flatten() {
        call.carry(&text(call.id).unwrap_or_default(), &mut carried);
    }
    Some(Block::RedactedThinking { data: carried.seal()?.into() })
}

fn call<'a>(call: &Call<'a>) -> Option<Block<'a>> {
    let id = text(call.id).unwrap_or_default();
    Some(called(id, call.function.as_ref()?, call.extra_content))
}

fn called<'a>(id: Cow<'a, str>, function: &Function<'a>, extra_content: Option<&'a RawValue>) -> Block<'a> {
    let arguments = text(function.arguments).unwrap_or_default();
    Block::ToolUse { id, name: text(function.name).unwrap_or_default(), input: Input::of(&arguments), extra_content }
}
