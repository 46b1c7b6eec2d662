//! Tools and the choice among them.
//!
//! A tool of the client's is a function. The others, that run at the upstream or that only models of this dialect were
//! taught (web search, code execution, computer use), have no schema that another upstream could be told.

use serde_json::{Value, json};

use super::given::{Object, kind, take, take_text, text_of, unsupported, wrong};
use crate::error::Error;

/// Takes `tools` and `tool_choice` out of a request, and puts what they mean into the canonical one.
pub(super) fn translate(given: &mut Object, canonical: &mut Object) -> Result<(), Error> {
    let tools = match given.remove("tools") {
        Some(Value::Array(tools)) => tools,
        Some(_) => return Err(wrong("tools", "Input should be a list")),
        None => Vec::new(),
    };
    let choice = match given.remove("tool_choice") {
        Some(Value::Object(choice)) => Some(choice),
        Some(_) => return Err(wrong("tool_choice", "Input should be an object")),
        None => None,
    };
    if !tools.is_empty() {
        let tools: Result<Vec<Value>, Error> =
            tools.into_iter().enumerate().map(|(index, tool)| function(tool, index)).collect();
        canonical.insert("tools".to_owned(), tools?.into());
        return choice.map_or(Ok(()), |choice| choose(choice, canonical));
    }
    match choice {
        // Among no tools, these two choices are none.
        Some(choice) if !matches!(kind(&choice), "auto" | "none") => {
            Err(wrong("tool_choice", "There are no tools to choose from"))
        }
        _ => Ok(()),
    }
}

fn function(tool: Value, index: usize) -> Result<Value, Error> {
    let path = format_args!("tools.{index}");
    let Value::Object(mut tool) = tool else { return Err(wrong(path, "Input should be an object")) };
    let kind = text_of(&tool, "type").unwrap_or("custom");
    if kind != "custom" {
        let name = text_of(&tool, "name").unwrap_or(kind);
        let problem = format!("The tool `{name}` of the type `{kind}` is not available with this model");
        return Err(unsupported(path, problem));
    }
    let mut function = Object::new();
    function.insert("name".to_owned(), take_text(&mut tool, "name", path)?.into());
    for (name, canonical) in [("description", "description"), ("input_schema", "parameters"), ("strict", "strict")] {
        if let Some(value) = take(&mut tool, name) {
            function.insert(canonical.to_owned(), value);
        }
    }
    let mut canonical = json!({ "type": "function", "function": function });
    if let Some(mark) = take(&mut tool, "cache_control") {
        canonical["cache_control"] = mark;
    }
    Ok(canonical)
}

fn choose(mut choice: Object, canonical: &mut Object) -> Result<(), Error> {
    let chosen = match kind(&choice) {
        "auto" => json!("auto"),
        "any" => json!("required"),
        "none" => json!("none"),
        "tool" => {
            let name = take_text(&mut choice, "name", "tool_choice")?;
            json!({ "type": "function", "function": { "name": name } })
        }
        _ => return Err(wrong("tool_choice.type", "Input should be 'auto', 'any', 'tool' or 'none'")),
    };
    canonical.insert("tool_choice".to_owned(), chosen);
    if choice.get("disable_parallel_tool_use") == Some(&Value::Bool(true)) {
        canonical.insert("parallel_tool_calls".to_owned(), false.into());
    }
    Ok(())
}
