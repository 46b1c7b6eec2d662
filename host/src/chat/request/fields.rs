//! The top-level fields of requests and their rules, as tables.
//!
//! The fields are those of the current OpenAI API. An explicit null is the same as no field. Values that OpenAI keeps
//! adding to (reasoning efforts, service tiers, verbosities) are left to the upstream.

use super::messages;
use super::wrong::{Refusal, Wrong};
use super::{MAX_MODEL_BYTES, Survey};
use crate::chat::scan::{Kind, Scanner};

/// A field of the API.
#[derive(Debug)]
pub(super) struct KnownField {
    pub(super) name: &'static str,
    rule: Rule,
}

/// What a field's value has to be.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Boolean,
    String,
    Object,
    /// A whole number in a range.
    Integer(i64, i64),
    /// Any number in a range.
    Decimal(f64, f64),
    /// A rule of its own, which may also note something.
    Own(fn(&mut Scanner<'_>, &mut Survey) -> Result<(), Refusal>),
}

/// The field of this name, if the table has one.
pub(super) fn find(fields: &'static [KnownField], name: &str) -> Option<&'static KnownField> {
    fields.iter().find(|field| field.name == name)
}

const fn field(name: &'static str, rule: Rule) -> KnownField {
    KnownField { name, rule }
}

/// What the host has to know of a request that is no chat.
pub(super) static OTHER: [KnownField; 3] = [
    field("model", Rule::Own(model)),
    field("stream", Rule::Own(stream)),
    field("stream_options", Rule::Own(stream_options)),
];

/// The fields of a chat, the most frequent ones first.
pub(super) static CHAT: [KnownField; 37] = [
    field("model", Rule::Own(model)),
    field("messages", Rule::Own(messages::check)),
    field("stream", Rule::Own(stream)),
    field("stream_options", Rule::Own(stream_options)),
    field("temperature", Rule::Decimal(0.0, 2.0)),
    field("max_tokens", Rule::Own(max_tokens)),
    field("max_completion_tokens", Rule::Own(max_completion_tokens)),
    field("tools", Rule::Own(tools)),
    field("tool_choice", Rule::Own(tool_choice)),
    field("parallel_tool_calls", Rule::Boolean),
    field("response_format", Rule::Own(response_format)),
    field("top_p", Rule::Decimal(0.0, 1.0)),
    field("frequency_penalty", Rule::Decimal(-2.0, 2.0)),
    field("presence_penalty", Rule::Decimal(-2.0, 2.0)),
    field("n", Rule::Integer(1, 128)),
    field("stop", Rule::Own(stop)),
    field("seed", Rule::Integer(i64::MIN, i64::MAX)),
    field("user", Rule::String),
    field("reasoning_effort", Rule::String),
    field("logprobs", Rule::Own(logprobs)),
    field("top_logprobs", Rule::Own(top_logprobs)),
    field("logit_bias", Rule::Object),
    field("metadata", Rule::Object),
    field("store", Rule::Boolean),
    field("service_tier", Rule::String),
    field("verbosity", Rule::String),
    field("modalities", Rule::Own(modalities)),
    field("audio", Rule::Object),
    field("prediction", Rule::Object),
    field("web_search_options", Rule::Object),
    field("prompt_cache_key", Rule::String),
    field("prompt_cache_options", Rule::Object),
    field("prompt_cache_retention", Rule::String),
    field("safety_identifier", Rule::String),
    field("moderation", Rule::Object),
    field("functions", Rule::Own(functions)),
    field("function_call", Rule::Own(function_call)),
];

impl KnownField {
    /// Consumes and checks the field's value.
    pub(super) fn check(&self, scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
        if scanner.peek()? == Kind::Null {
            return Ok(scanner.null()?);
        }
        let checked = match self.rule {
            Rule::Boolean => boolean(scanner).map(drop),
            Rule::String => expect(scanner, Kind::String, "a string"),
            Rule::Object => expect(scanner, Kind::Object, "an object"),
            Rule::Integer(least, most) => integer(scanner, least, most).map(drop),
            Rule::Decimal(least, most) => decimal(scanner, least, most),
            Rule::Own(check) => check(scanner, survey),
        };
        checked.map_err(|refusal| refusal.within(self.name))
    }
}

/// Fails if the next value is of another kind.
pub(super) fn require(scanner: &mut Scanner<'_>, kind: Kind, expected: &'static str) -> Result<(), Refusal> {
    let got = scanner.peek()?;
    if got == kind { Ok(()) } else { Err(Wrong::kind(expected, got).into()) }
}

/// Consumes a value of this kind.
pub(super) fn expect(scanner: &mut Scanner<'_>, kind: Kind, expected: &'static str) -> Result<(), Refusal> {
    require(scanner, kind, expected)?;
    Ok(scanner.skip()?)
}

/// Consumes a string, which may have to be one of a few.
fn string(scanner: &mut Scanner<'_>, allowed: &'static [&'static str]) -> Result<(), Refusal> {
    require(scanner, Kind::String, "a string")?;
    let value = scanner.string()?.decode();
    if allowed.contains(&&*value) { Ok(()) } else { Err(Wrong::value(&value, allowed).into()) }
}

fn boolean(scanner: &mut Scanner<'_>) -> Result<bool, Refusal> {
    require(scanner, Kind::Boolean, "a boolean")?;
    Ok(scanner.boolean()?)
}

fn integer(scanner: &mut Scanner<'_>, least: i64, most: i64) -> Result<i64, Refusal> {
    require(scanner, Kind::Number, "an integer")?;
    let number = scanner.number()?;
    if !number.is_integer() {
        return Err(Wrong::kind("an integer", "a decimal number").into());
    }
    // What does not fit 64 bits is beyond any limit.
    let beyond = if number.raw().starts_with('-') { i64::MIN } else { i64::MAX };
    let value = number.raw().parse().unwrap_or(beyond);
    if value < least {
        return Err(Wrong::below("integer", least as f64, number.raw()).into());
    }
    if value > most {
        return Err(Wrong::above("integer", most as f64, number.raw()).into());
    }
    Ok(value)
}

fn decimal(scanner: &mut Scanner<'_>, least: f64, most: f64) -> Result<(), Refusal> {
    require(scanner, Kind::Number, "a decimal")?;
    let number = scanner.number()?;
    match number.as_f64() {
        value if value < least => Err(Wrong::below("decimal", least, number.raw()).into()),
        value if value > most => Err(Wrong::above("decimal", most, number.raw()).into()),
        _ => Ok(()),
    }
}

fn model(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    require(scanner, Kind::String, "a string")?;
    let model = scanner.string()?;
    if model.is_empty() {
        return Err(Wrong::empty("string").into());
    }
    if model.decoded_length() > MAX_MODEL_BYTES {
        return Err(Wrong::too_long(MAX_MODEL_BYTES, model.decoded_length()).into());
    }
    survey.peek.model = model.decode().into_owned();
    Ok(())
}

fn stream(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    survey.peek.stream = boolean(scanner)?;
    Ok(())
}

fn stream_options(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    require(scanner, Kind::Object, "an object")?;
    survey.has_stream_options = true;
    scanner.members(|scanner, key| {
        if key.decode() != "include_usage" || scanner.peek()? == Kind::Null {
            return Ok(scanner.skip()?);
        }
        survey.peek.include_usage = boolean(scanner).map_err(|refusal| refusal.within("include_usage"))?;
        Ok(())
    })
}

fn max_tokens(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    survey.peek.max_tokens = Some(integer(scanner, 1, i64::MAX)?.unsigned_abs());
    Ok(())
}

fn max_completion_tokens(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    survey.max_completion_tokens = Some(integer(scanner, 1, i64::MAX)?.unsigned_abs());
    Ok(())
}

fn logprobs(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    survey.logprobs = boolean(scanner)?;
    Ok(())
}

fn top_logprobs(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    // Clients that serialise defaults send 0 without `logprobs`: it asks for nothing.
    survey.has_top_logprobs = integer(scanner, 0, 20)? > 0;
    Ok(())
}

/// A string or a list of strings. How many is for the upstream to say.
fn stop(scanner: &mut Scanner<'_>, _: &mut Survey) -> Result<(), Refusal> {
    match scanner.peek()? {
        Kind::String => Ok(scanner.skip()?),
        Kind::Array => each(scanner, |scanner| expect(scanner, Kind::String, "a string")),
        got => Err(Wrong::kind("a string or an array of strings", got).into()),
    }
}

fn modalities(scanner: &mut Scanner<'_>, _: &mut Survey) -> Result<(), Refusal> {
    require(scanner, Kind::Array, "an array of strings")?;
    each(scanner, |scanner| expect(scanner, Kind::String, "a string"))
}

/// A list of objects with a `type`, and for functions a name. An empty list is the same as none: some clients send it.
fn tools(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    require(scanner, Kind::Array, "an array of objects")?;
    each(scanner, |scanner| {
        survey.peek.tools += 1;
        tool(scanner)
    })
}

fn tool(scanner: &mut Scanner<'_>) -> Result<(), Refusal> {
    require(scanner, Kind::Object, "an object")?;
    let (mut has_type, mut is_function, mut has_function) = (false, false, false);
    scanner.members(|scanner, key| match &*key.decode() {
        "type" => {
            require(scanner, Kind::String, "a string").map_err(|refusal| refusal.within("type"))?;
            has_type = true;
            is_function = scanner.string()?.decode() == "function";
            Ok(())
        }
        "function" => {
            has_function = true;
            function(scanner).map_err(|refusal| refusal.within("function"))
        }
        _ => Ok(scanner.skip()?),
    })?;
    if !has_type {
        return Err(Wrong::missing().within("type").into());
    }
    if is_function && !has_function {
        return Err(Wrong::missing().within("function").into());
    }
    Ok(())
}

fn functions(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    require(scanner, Kind::Array, "an array of objects")?;
    each(scanner, |scanner| {
        survey.peek.tools += 1;
        function(scanner)
    })
}

/// An object with a name.
fn function(scanner: &mut Scanner<'_>) -> Result<(), Refusal> {
    require(scanner, Kind::Object, "an object")?;
    let mut has_name = false;
    scanner.members(|scanner, key| {
        if key.decode() != "name" {
            return Ok(scanner.skip()?);
        }
        has_name = true;
        nonempty_string(scanner).map_err(|refusal| refusal.within("name"))
    })?;
    if has_name { Ok(()) } else { Err(Wrong::missing().within("name").into()) }
}

/// Consumes a string with something in it.
pub(super) fn nonempty_string(scanner: &mut Scanner<'_>) -> Result<(), Refusal> {
    require(scanner, Kind::String, "a string")?;
    if scanner.string()?.is_empty() { Err(Wrong::empty("string").into()) } else { Ok(()) }
}

fn tool_choice(scanner: &mut Scanner<'_>, _: &mut Survey) -> Result<(), Refusal> {
    match scanner.peek()? {
        Kind::Object => Ok(scanner.skip()?),
        Kind::String => string(scanner, &["none", "auto", "required"]),
        got => Err(Wrong::kind("a string or an object", got).into()),
    }
}

fn function_call(scanner: &mut Scanner<'_>, _: &mut Survey) -> Result<(), Refusal> {
    match scanner.peek()? {
        Kind::Object => Ok(scanner.skip()?),
        Kind::String => string(scanner, &["none", "auto"]),
        got => Err(Wrong::kind("a string or an object", got).into()),
    }
}

fn response_format(scanner: &mut Scanner<'_>, _: &mut Survey) -> Result<(), Refusal> {
    require(scanner, Kind::Object, "an object")?;
    let mut has_type = false;
    scanner.members(|scanner, key| {
        if key.decode() != "type" {
            return Ok(scanner.skip()?);
        }
        has_type = true;
        expect(scanner, Kind::String, "a string").map_err(|refusal| refusal.within("type"))
    })?;
    if has_type { Ok(()) } else { Err(Wrong::missing().within("type").into()) }
}

/// Checks each element of a list, with its position in the path.
pub(super) fn each<'a>(
    scanner: &mut Scanner<'a>,
    mut check: impl FnMut(&mut Scanner<'a>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    scanner.elements(|scanner, position| check(scanner).map_err(|refusal| refusal.within(&format!("[{position}]"))))
}
