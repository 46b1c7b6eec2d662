//! The messages of a chat request: roles, content and its parts, and the tool calls of earlier turns.
//!
//! Fields that are not checked here, those of extensions among them (reasoning of earlier turns, cache marks), are
//! carried as they are.

use super::fields::{each, expect, nonempty_string, require};
use super::wrong::{Refusal, Wrong};
use super::{Names, Survey};
use crate::chat::scan::{Kind, Scanner};

const ROLES: &[&str] = &["developer", "system", "user", "assistant", "tool", "function"];

/// Consumes and checks the list of messages.
pub(super) fn check(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    require(scanner, Kind::Array, "an array of objects")?;
    each(scanner, |scanner| {
        survey.peek.messages += 1;
        message(scanner, survey)
    })?;
    if survey.peek.messages == 0 { Err(Wrong::empty("array").into()) } else { Ok(()) }
}

fn message(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    require(scanner, Kind::Object, "an object")?;
    let mut names = Names::default();
    let mut role = None;
    let mut answers_call = false;
    scanner.members(|scanner, key| {
        names.insert(key)?;
        let name = key.decode();
        let checked = match &*name {
            "role" => check_role(scanner).map(|checked| role = checked),
            "content" => content(scanner, survey),
            "tool_call_id" if scanner.peek()? != Kind::Null => {
                answers_call = true;
                expect(scanner, Kind::String, "a string")
            }
            "tool_calls" if scanner.peek()? != Kind::Null => {
                require(scanner, Kind::Array, "an array of objects").and_then(|()| each(scanner, tool_call))
            }
            "function_call" if scanner.peek()? != Kind::Null => expect(scanner, Kind::Object, "an object"),
            "name" if scanner.peek()? != Kind::Null => expect(scanner, Kind::String, "a string"),
            _ => Ok(scanner.skip()?),
        };
        checked.map_err(|refusal| refusal.within(&name))
    })?;
    match role {
        None => Err(Wrong::missing().within("role").into()),
        Some("tool") if !answers_call => Err(Wrong::missing().within("tool_call_id").into()),
        Some(_) => Ok(()),
    }
}

/// The role, if there is one.
fn check_role(scanner: &mut Scanner<'_>) -> Result<Option<&'static str>, Refusal> {
    if scanner.peek()? == Kind::Null {
        scanner.null()?;
        return Ok(None);
    }
    require(scanner, Kind::String, "a string")?;
    let name = scanner.string()?.decode();
    match ROLES.iter().find(|role| **role == name) {
        Some(role) => Ok(Some(role)),
        None => Err(Wrong::value(&name, ROLES).into()),
    }
}

fn content(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    match scanner.peek()? {
        Kind::Null => Ok(scanner.null()?),
        Kind::String => {
            survey.peek.text_bytes += scanner.string()?.decoded_length();
            Ok(())
        }
        Kind::Array => each(scanner, |scanner| part(scanner, survey)),
        got => Err(Wrong::kind("a string, null or an array of objects", got).into()),
    }
}

/// A part of content: an object with a `type`, and text if that is what it says it is.
fn part(scanner: &mut Scanner<'_>, survey: &mut Survey) -> Result<(), Refusal> {
    require(scanner, Kind::Object, "an object")?;
    let (mut has_type, mut is_text, mut has_text) = (false, false, false);
    scanner.members(|scanner, key| match &*key.decode() {
        "type" => {
            require(scanner, Kind::String, "a string").map_err(|refusal| refusal.within("type"))?;
            let name = scanner.string()?.decode();
            has_type = true;
            is_text = name == "text";
            survey.peek.images += usize::from(name == "image_url");
            Ok::<(), Refusal>(())
        }
        "text" if scanner.peek()? == Kind::String => {
            has_text = true;
            survey.peek.text_bytes += scanner.string()?.decoded_length();
            Ok(())
        }
        _ => Ok(scanner.skip()?),
    })?;
    if !has_type {
        return Err(Wrong::missing().within("type").into());
    }
    if is_text && !has_text {
        return Err(Wrong::kind("a string", "something else or nothing").within("text").into());
    }
    Ok(())
}

/// A call that the assistant made in an earlier turn.
fn tool_call(scanner: &mut Scanner<'_>) -> Result<(), Refusal> {
    require(scanner, Kind::Object, "an object")?;
    let mut has_id = false;
    scanner.members(|scanner, key| match &*key.decode() {
        "id" => {
            has_id = true;
            expect(scanner, Kind::String, "a string").map_err(|refusal| refusal.within("id"))
        }
        "function" => called_function(scanner).map_err(|refusal| refusal.within("function")),
        _ => Ok(scanner.skip()?),
    })?;
    if has_id { Ok(()) } else { Err(Wrong::missing().within("id").into()) }
}

fn called_function(scanner: &mut Scanner<'_>) -> Result<(), Refusal> {
    require(scanner, Kind::Object, "an object")?;
    let mut has_name = false;
    scanner.members(|scanner, key| match &*key.decode() {
        "name" => {
            has_name = true;
            nonempty_string(scanner).map_err(|refusal| refusal.within("name"))
        }
        "arguments" => expect(scanner, Kind::String, "a string").map_err(|refusal| refusal.within("arguments")),
        _ => Ok(scanner.skip()?),
    })?;
    if has_name { Ok(()) } else { Err(Wrong::missing().within("name").into()) }
}
