//! Judging one chunk: a single scan that notes what the chunk would change, and stops at the first departure.

use super::{Choice, Identity, MAX_CHOICES, MAX_TOOL_CALLS, Sequence, Tool};
use crate::chat::finish_reason::FinishReason;
use crate::chat::rules::{
    Departs, because, check_error, check_service_tier, once, require, skip_object_or_null, skip_text_or_null, text,
    whole_number,
};
use crate::chat::scan::{Kind, Scanner, Text};
use crate::chat::usage::{ScannedUsage, Usage};

/// The state as it would be after the chunk.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) choices: Vec<Choice>,
    /// The tool calls that the chunk begins.
    pub(super) tools: Vec<Tool>,
}

/// What is known of a chunk that conforms.
#[derive(Debug, Default)]
pub(super) struct Checked<'a> {
    id: Option<Text<'a>>,
    created: Option<u64>,
    model: Option<Text<'a>>,
    pub(super) usage: Option<Usage>,
    /// There are no choices and no usage: nothing that a client would miss.
    pub(super) is_empty: bool,
    /// There is usage and there are no choices.
    pub(super) is_usage: bool,
    /// A field that the API does not have holds a `usage`. What that is, the plugin knows.
    pub(super) has_usage_elsewhere: bool,
}

impl Checked<'_> {
    pub(super) fn identity(&self) -> Identity {
        Identity {
            id: self.id.map(|id| id.decode().into_owned()).unwrap_or_default(),
            created: self.created.unwrap_or_default(),
            model: self.model.map(|model| model.decode().into_owned()).unwrap_or_default(),
        }
    }
}

impl Sequence {
    /// Judges a chunk. Changes nothing but the draft, which is valid if the chunk conforms.
    pub(super) fn check<'a>(&mut self, chunk: &'a str) -> Result<Checked<'a>, Departs> {
        self.draft.choices.clear();
        self.draft.choices.extend_from_slice(&self.choices);
        self.draft.tools.clear();
        let mut chunk = read_top(chunk, &mut self.draft, &self.tools)?;
        match (chunk.choices.ok_or(Departs::Because("no choices"))?, chunk.usage) {
            // What the prompt's filters found, for one, which no other chunk tells.
            (0, None) if chunk.has_more => return because("more than an envelope, and no choices"),
            (0, None) => chunk.checked.is_empty = true,
            (0, Some(scanned)) => {
                chunk.checked.is_usage = true;
                chunk.checked.usage = Some(scanned.usage);
                // Also a client that does not see it pays by these counts.
                require(scanned.usage.adds_up() || !scanned.complete, "usage that does not add up")?;
                if self.include_usage {
                    self.check_usage(&scanned)?;
                    self.check_identity(&chunk)?;
                }
            }
            (_, Some(_)) => return because("usage beside choices"),
            (_, None) if self.usage_sent => return because("choices after the usage chunk"),
            (_, None) => self.check_identity(&chunk)?,
        }
        Ok(chunk.checked)
    }

    /// A usage chunk comes once, complete, when everything else has been said.
    fn check_usage(&self, scanned: &ScannedUsage) -> Result<(), Departs> {
        require(scanned.complete, "usage without its counts")?;
        require(!self.usage_sent && self.held_usage.is_none(), "a second usage chunk")?;
        require(self.has_finished(), "usage before the last finish reason")
    }

    fn check_identity(&self, chunk: &Chunk<'_>) -> Result<(), Departs> {
        let Checked { id: Some(id), created: Some(created), model: Some(model), .. } = chunk.checked else {
            return because("no id, created or model");
        };
        require(!id.is_empty(), "an empty id")?;
        require(chunk.object_is_right, "object is not chat.completion.chunk")?;
        let Some(identity) = &self.identity else { return Ok(()) };
        require(id.decode() == identity.id, "another id than the chunk before")?;
        require(created == identity.created, "another created than the chunk before")?;
        require(model.decode() == identity.model, "another model than the chunk before")
    }
}

#[derive(Default)]
struct Chunk<'a> {
    checked: Checked<'a>,
    object_is_right: bool,
    /// How many choices there are, if there is such a list.
    choices: Option<usize>,
    usage: Option<ScannedUsage>,
    /// There is a field that is neither of these nor part of the envelope, and that says something.
    has_more: bool,
}

/// What a chunk may hold besides that tells a client nothing if there are no choices: what goes for the whole stream,
/// and padding.
const ENVELOPE: [&str; 3] = ["system_fingerprint", "obfuscation", "p"];

fn read_top<'a>(source: &'a str, draft: &mut Draft, tools: &[Tool]) -> Result<Chunk<'a>, Departs> {
    let mut scanner = Scanner::lenient(source);
    let mut chunk = Chunk::default();
    if scanner.peek()? != Kind::Object {
        return because("not an object");
    }
    scanner.members(|scanner, key| match &*key.decode() {
        "id" => once(&mut chunk.checked.id, text(scanner, "id is not a string")?),
        "created" => once(&mut chunk.checked.created, whole_number(scanner, "created is not a whole number")?),
        "model" => once(&mut chunk.checked.model, text(scanner, "model is not a string")?),
        "object" => {
            chunk.object_is_right = text(scanner, "object is not a string")?.raw() == "chat.completion.chunk";
            Ok(())
        }
        "choices" => {
            let mut count = 0;
            require(scanner.peek()? == Kind::Array, "choices is not a list")?;
            scanner.elements(|scanner, _| {
                count += 1;
                read_choice(scanner, draft, tools)
            })?;
            once(&mut chunk.choices, count)
        }
        "usage" => match scanner.peek()? {
            Kind::Null => Ok(scanner.null()?),
            Kind::Object => once(&mut chunk.usage, Usage::scan(scanner)?),
            _ => because("usage is not an object"),
        },
        "service_tier" => check_service_tier(scanner),
        "error" => check_error(scanner),
        name => {
            let kind = scanner.peek()?;
            chunk.has_more |= kind != Kind::Null && !ENVELOPE.contains(&name);
            if kind == Kind::Object {
                chunk.checked.has_usage_elsewhere |= holds_usage(scanner)?;
                return Ok(());
            }
            Ok(scanner.skip()?)
        }
    })?;
    scanner.finish()?;
    Ok(chunk)
}

/// Consumes an object, and says whether it has a `usage` with something in it.
fn holds_usage(scanner: &mut Scanner<'_>) -> Result<bool, Departs> {
    let mut found = false;
    scanner.members(|scanner, key| {
        found |= key.raw() == "usage" && scanner.peek()? == Kind::Object;
        scanner.skip()
    })?;
    Ok(found)
}

/// What a delta brings. The rules depend on the choice, whose index may stand behind the delta.
#[derive(Default)]
struct Delta<'a> {
    role: Option<&'a str>,
    reasoning: bool,
    reasoning_content: bool,
    /// Where the tool calls stand, to be read once the choice is known.
    tool_calls: Option<Scanner<'a>>,
}

fn read_choice(scanner: &mut Scanner<'_>, draft: &mut Draft, tools: &[Tool]) -> Result<(), Departs> {
    let mut index = None;
    let mut delta = None;
    let mut finish_reason = None;
    require(scanner.peek()? == Kind::Object, "a choice is not an object")?;
    scanner.members(|scanner, key| match &*key.decode() {
        "index" => once(&mut index, whole_number(scanner, "a choice's index is not a whole number")?),
        "delta" => once(&mut delta, read_delta(scanner)?),
        "finish_reason" if scanner.peek()? != Kind::Null => {
            let name = text(scanner, "a finish reason is not a string")?;
            let reason = FinishReason::parse(name.raw()).ok_or(Departs::Because("an unknown finish reason"))?;
            once(&mut finish_reason, reason)
        }
        "message" => because("a message in place of a delta"),
        "logprobs" => skip_object_or_null(scanner, "logprobs is not an object"),
        _ => Ok(scanner.skip()?),
    })?;
    let index = index.ok_or(Departs::Because("a choice without index"))?;
    let delta = delta.ok_or(Departs::Because("a choice without delta"))?;
    let place = place_of(index, &delta, draft)?;
    require(!draft.choices[place].finished, "a choice goes on after its finish reason")?;
    if let Some(calls) = delta.tool_calls {
        read_tool_calls(calls, place, draft, tools)?;
    }
    match finish_reason {
        Some(reason) => finish(&mut draft.choices[place], reason),
        None => Ok(()),
    }
}

/// Finds the choice, or begins it: with its role, and in the order of the indices, because clients append.
fn place_of(index: u64, delta: &Delta<'_>, draft: &mut Draft) -> Result<usize, Departs> {
    let place = usize::try_from(index).unwrap_or(usize::MAX);
    if place < draft.choices.len() {
        // Joining deltas would make it `assistantassistant`.
        require(delta.role.is_none(), "a role in a later delta")?;
        return Ok(place);
    }
    require(place == draft.choices.len(), "choices do not begin in the order of their indices")?;
    require(place < MAX_CHOICES, "too many choices")?;
    require(delta.role == Some("assistant"), "a first delta without role")?;
    draft.choices.push(Choice { source: index, ..Choice::default() });
    Ok(place)
}

/// Tool calls may end with `stop`: so they do at some upstreams when the client forced a call. Whether they should not
/// is for the plugin to say.
fn finish(choice: &mut Choice, reason: FinishReason) -> Result<(), Departs> {
    let complete = choice.tool_without_arguments().is_none() || reason != FinishReason::ToolCalls;
    require(complete, "a tool call without arguments")?;
    choice.finished = true;
    Ok(())
}

fn read_delta<'a>(scanner: &mut Scanner<'a>) -> Result<Delta<'a>, Departs> {
    let mut delta = Delta::default();
    let mut seen = 0_u8;
    require(scanner.peek()? == Kind::Object, "a delta is not an object")?;
    scanner.members(|scanner, key| {
        let key = key.decode();
        let known = KNOWN_IN_DELTA.iter().position(|name| *name == key);
        if let Some(position) = known {
            require(seen & 1 << position == 0, "a field twice")?;
            seen |= 1 << position;
        }
        match &*key {
            "role" if scanner.peek()? != Kind::Null => {
                delta.role = Some(text(scanner, "a role is not a string")?.raw());
            }
            "content" | "refusal" => skip_text_or_null(scanner, "content is neither a string nor null")?,
            "reasoning_content" => {
                delta.reasoning_content = true;
                skip_text_or_null(scanner, "reasoning_content is neither a string nor null")?;
            }
            "reasoning" if scanner.peek()? == Kind::String => {
                delta.reasoning = true;
                scanner.string()?;
            }
            "function_call" | "audio" => skip_object_or_null(scanner, "a function_call or audio is not an object")?,
            "tool_calls" if scanner.peek()? != Kind::Null => {
                require(scanner.peek()? == Kind::Array, "tool_calls is not a list")?;
                delta.tool_calls = Some(*scanner);
                scanner.skip()?;
            }
            _ => skip_joinable(scanner)?,
        }
        Ok::<(), Departs>(())
    })?;
    require(!delta.reasoning || delta.reasoning_content, "reasoning without reasoning_content")?;
    Ok(delta)
}

const KNOWN_IN_DELTA: [&str; 8] =
    ["role", "content", "refusal", "reasoning_content", "reasoning", "function_call", "audio", "tool_calls"];

fn read_tool_calls(mut calls: Scanner<'_>, place: usize, draft: &mut Draft, tools: &[Tool]) -> Result<(), Departs> {
    let mut next = 0;
    calls.elements(|scanner, _| {
        let call = read_tool_call(scanner)?;
        let index = call.index.ok_or(Departs::Because("a tool call without index"))?;
        // Clients join the deltas of different chunks, not those inside one.
        require(index >= next, "tool calls out of order in one delta")?;
        next = index.saturating_add(1);
        admit_tool_call(&call, index, place, draft, tools)
    })?;
    require(next > 0, "an empty list of tool calls")
}

#[derive(Default)]
struct ToolCall<'a> {
    index: Option<u64>,
    id: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    name: Option<Text<'a>>,
    custom: bool,
    has_arguments: bool,
}

fn read_tool_call<'a>(scanner: &mut Scanner<'a>) -> Result<ToolCall<'a>, Departs> {
    let mut call = ToolCall::default();
    require(scanner.peek()? == Kind::Object, "a tool call is not an object")?;
    scanner.members(|scanner, key| match &*key.decode() {
        "index" => once(&mut call.index, whole_number(scanner, "a tool call's index is not a whole number")?),
        "id" if scanner.peek()? != Kind::Null => once(&mut call.id, text(scanner, "a tool call's id is not a string")?),
        "type" if scanner.peek()? != Kind::Null => {
            once(&mut call.kind, text(scanner, "a tool call's type is not a string")?)
        }
        part @ ("function" | "custom") if scanner.peek()? != Kind::Null => {
            call.custom |= part == "custom";
            require(scanner.peek()? == Kind::Object, "a tool call's function is not an object")?;
            scanner.members(|scanner, key| match &*key.decode() {
                "name" if scanner.peek()? != Kind::Null => {
                    once(&mut call.name, text(scanner, "a function's name is not a string")?)
                }
                "arguments" | "input" => {
                    call.has_arguments |= !text(scanner, "arguments are not a string")?.is_empty();
                    Ok(())
                }
                _ => Ok(skip_joinable(scanner)?),
            })
        }
        _ => skip_joinable(scanner),
    })?;
    Ok(call)
}

fn admit_tool_call(
    call: &ToolCall<'_>,
    index: u64,
    place: usize,
    draft: &mut Draft,
    tools: &[Tool],
) -> Result<(), Departs> {
    let choice = &mut draft.choices[place];
    let number = u32::try_from(index).unwrap_or(u32::MAX);
    if number < choice.tools {
        let identity_again = call.id.is_some() || call.kind.is_some() || call.name.is_some();
        require(!identity_again, "a tool call's id, type or name again")?;
    } else {
        require(number == choice.tools, "tool calls do not begin in the order of their indices")?;
        let (Some(id), Some(kind), Some(name)) = (call.id, call.kind, call.name) else {
            return because("a tool call begins without id, type or name");
        };
        require(!id.is_empty() && !name.is_empty(), "a tool call begins with an empty id or name")?;
        require(kind.raw() == if call.custom { "custom" } else { "function" }, "a tool call of an unknown type")?;
        let id = id.decode();
        require(tools.len() + draft.tools.len() < MAX_TOOL_CALLS, "too many tool calls")?;
        require(
            !tools.iter().chain(&draft.tools).any(|tool| tool.choice == place && tool.id == id),
            "a tool call's id for another call",
        )?;
        choice.tools += 1;
        draft.tools.push(Tool { choice: place, index: number, source: index, id: id.into_owned() });
    }
    // The input of a custom tool is free text: it may be empty.
    if call.has_arguments || call.custom {
        choice.note_arguments(number);
    }
    Ok(())
}

/// Consumes a value that clients can join with that of the next delta. Lists are what they cannot join, unless they
/// hold plain values, or objects that say by their `index` which is which.
fn skip_joinable(scanner: &mut Scanner<'_>) -> Result<(), Departs> {
    match scanner.peek()? {
        Kind::Object => scanner.members(|scanner, _| skip_joinable(scanner)),
        Kind::Array => {
            let mut first = None;
            scanner.elements(|scanner, _| {
                let is_object = scanner.peek()? == Kind::Object;
                require(*first.get_or_insert(is_object) == is_object, "a list of objects and other values")?;
                if is_object { skip_indexed(scanner) } else { skip_plain(scanner) }
            })
        }
        _ => Ok(scanner.skip()?),
    }
}

fn skip_indexed(scanner: &mut Scanner<'_>) -> Result<(), Departs> {
    let mut index = None;
    scanner.members(|scanner, key| match &*key.decode() {
        "index" => once(&mut index, whole_number(scanner, "a list's element whose index is not a whole number")?),
        _ => skip_joinable(scanner),
    })?;
    require(index.is_some(), "a list's element without index")
}

fn skip_plain(scanner: &mut Scanner<'_>) -> Result<(), Departs> {
    require(!matches!(scanner.peek()?, Kind::Array | Kind::Null), "a list of lists or nulls")?;
    Ok(scanner.skip()?)
}
