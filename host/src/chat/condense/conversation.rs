//! A chat as the condenser sees it: its messages, where they and their texts stand in the document, how much each
//! weighs, and which of them belong together. Nothing is decoded that does not have to be.

use std::collections::HashMap;
use std::ops::Range;

use crate::chat::estimate::{self, Tally, prompt, written_weight};
use crate::chat::scan::{Fault, Kind, Scanner};
use crate::error::Error;

/// The most messages, texts and calls of a chat that is condensed: what is noted of each takes memory.
const MOST: usize = 100_000;

/// A chat request.
#[derive(Debug)]
pub(super) struct Conversation {
    /// Its messages, in their order.
    pub messages: Vec<Message>,
    /// The weight of everything else that the model reads: tools, the format of the answer.
    pub beside: u64,
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    /// Where it stands in the document.
    pub place: Range<usize>,
    /// Who speaks.
    pub role: Role,
    /// What it weighs as a whole.
    pub weight: u64,
    /// Its texts, in their order.
    pub passages: Vec<Passage>,
    /// The calls that it makes.
    calls: Vec<Link>,
    /// The call that it answers.
    answers: Option<Link>,
}

/// A text in a message that can be shortened.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    /// Where it stands in the document, quotes included.
    pub place: Range<usize>,
    /// What it weighs.
    pub weight: u64,
}

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// `system` or `developer`.
    System,
    /// `user`.
    User,
    /// `assistant`, or a role that nobody knows.
    Assistant,
    /// `tool` or `function`.
    Tool,
}

/// What a result refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Link {
    /// A call, by its `id`.
    Call(String),
    /// A call in the form before tools, by the function's name.
    Function(String),
}

/// Messages that stay or go together: one, or the calls of an assistant with all their results.
#[derive(Debug, Default)]
pub(super) struct Unit {
    /// Their positions, ascending.
    pub messages: Vec<usize>,
}

impl Conversation {
    /// Reads a chat request. `None` if it has more messages than are worth the memory.
    ///
    /// # Errors
    /// A document that is not JSON, or no object.
    pub fn read(document: &str) -> Result<Option<Self>, Error> {
        let (mut messages, mut noted) = (Vec::new(), 0);
        let read = Scanner::lenient(document).members(|scanner, name| match &*name.decode() {
            "messages" if scanner.peek()? == Kind::Array => {
                messages.clear();
                scanner.elements(|scanner, _| {
                    let message = message(scanner)?;
                    noted += 1 + message.passages.len() + message.calls.len();
                    messages.push(message);
                    if noted > MOST { Err(Stop::TooMuch) } else { Ok(()) }
                })
            }
            _ => Ok(scanner.skip()?),
        });
        match read {
            Ok(()) => {}
            Err(Stop::TooMuch) => return Ok(None),
            Err(Stop::Fault(fault)) => {
                return Err(Error::internal(format!("the document is not a chat: {}", fault.describe(document))));
            }
        }
        let weight: u64 = messages.iter().map(|message| message.weight).sum();
        // Not from rounded tokens: a twelfth more or less would have the next turn cut elsewhere.
        let beside = prompt(document.as_bytes())?.weight().saturating_sub(weight);
        Ok(Some(Self { messages, beside }))
    }

    /// The messages in units, ordered by the last message of each: a unit is there once it is complete.
    pub fn units(&self) -> Vec<Unit> {
        let mut units: Vec<Unit> = self.messages.iter().map(|_| Unit::default()).collect();
        for (position, head) in self.heads().into_iter().enumerate() {
            units[head].messages.push(position);
        }
        units.retain(|unit| !unit.messages.is_empty());
        units.sort_by_key(|unit| unit.messages.last().copied());
        units
    }

    /// For each message the position of the one that its unit is named after: of a result the message that made the
    /// call, of all others their own.
    fn heads(&self) -> Vec<usize> {
        let mut heads: Vec<usize> = (0..self.messages.len()).collect();
        let mut callers: HashMap<&Link, usize> = HashMap::new();
        let mut orphans = Vec::new();
        for (position, message) in self.messages.iter().enumerate() {
            // Ids may come again (`call_0` in each turn): it is the last call before that a result belongs to.
            callers.extend(message.calls.iter().map(|link| (link, position)));
            match message.answers.as_ref().map(|link| callers.get(link)) {
                Some(Some(caller)) => heads[position] = *caller,
                Some(None) => orphans.push(position),
                None => {}
            }
        }
        // A result in front of its call is no order that upstreams take, but none that is broken here either.
        for position in orphans {
            let caller = self.messages[position].answers.as_ref().and_then(|link| callers.get(link));
            heads[position] = caller.copied().unwrap_or(position);
        }
        heads
    }
}

/// Why reading ended early.
enum Stop {
    Fault(Fault),
    TooMuch,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Consumes a message.
fn message(scanner: &mut Scanner<'_>) -> Result<Message, Fault> {
    scanner.peek()?;
    let start = scanner.offset();
    let mut tally = Tally::default();
    estimate::message(&mut scanner.clone(), &mut tally)?;
    let mut message = Message {
        place: start..start,
        role: Role::Assistant,
        weight: tally.weight(),
        passages: Vec::new(),
        calls: Vec::new(),
        answers: None,
    };
    let (mut id, mut function) = (None, None);
    fields(scanner, |scanner, name| match name {
        "role" => string(scanner).map(|role| message.role = Role::of(role.as_deref())),
        "content" if scanner.peek()? == Kind::Array => {
            scanner.elements(|scanner, _| part(scanner, &mut message.passages))
        }
        "content" => passage(scanner, &mut message.passages),
        "tool_calls" if scanner.peek()? == Kind::Array => scanner.elements(|scanner, _| {
            fields(scanner, |scanner, name| match name {
                "id" => string(scanner).map(|id| message.calls.extend(id.map(Link::Call))),
                _ => scanner.skip(),
            })
        }),
        "function_call" => fields(scanner, |scanner, name| match name {
            "name" => string(scanner).map(|name| message.calls.extend(name.map(Link::Function))),
            _ => scanner.skip(),
        }),
        "tool_call_id" => string(scanner).map(|given| id = given),
        "name" => string(scanner).map(|given| function = given),
        _ => scanner.skip(),
    })?;
    message.place.end = scanner.offset();
    if message.role == Role::Tool {
        message.calls.clear();
        message.answers = id.map(Link::Call).or(function.map(Link::Function));
    }
    Ok(message)
}

impl Role {
    fn of(name: Option<&str>) -> Self {
        match name {
            Some("system" | "developer") => Self::System,
            Some("user") => Self::User,
            Some("tool" | "function") => Self::Tool,
            _ => Self::Assistant,
        }
    }
}

/// Consumes a part of a message's content and notes its text.
fn part(scanner: &mut Scanner<'_>, passages: &mut Vec<Passage>) -> Result<(), Fault> {
    fields(scanner, |scanner, name| match name {
        "text" => passage(scanner, passages),
        _ => scanner.skip(),
    })
}

/// Consumes a value and notes it if it is a text.
fn passage(scanner: &mut Scanner<'_>, passages: &mut Vec<Passage>) -> Result<(), Fault> {
    if scanner.peek()? != Kind::String {
        return scanner.skip();
    }
    let text = scanner.string()?;
    passages.push(Passage { place: text.offset()..scanner.offset(), weight: written_weight(text) });
    Ok(())
}

/// Consumes a value: what it says if it is a string.
fn string(scanner: &mut Scanner<'_>) -> Result<Option<String>, Fault> {
    match scanner.peek()? {
        Kind::String => scanner.string().map(|text| Some(text.decode().into_owned())),
        _ => scanner.skip().map(|()| None),
    }
}

/// Consumes an object: calls `visit` with each name. Passes over whatever is no object.
fn fields<'a>(
    scanner: &mut Scanner<'a>,
    mut visit: impl FnMut(&mut Scanner<'a>, &str) -> Result<(), Fault>,
) -> Result<(), Fault> {
    match scanner.peek()? {
        Kind::Object => scanner.members(|scanner, name| visit(scanner, &name.decode())),
        _ => scanner.skip(),
    }
}
