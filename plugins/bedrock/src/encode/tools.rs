//! Tools and the choice among them.

use weir_plugin::Failure;
use weir_plugin::json::Json;
use weir_plugin::openai::{ChatRequest, Tool, ToolChoice, ToolUse, to_json};

use super::messages::cache_point;
use crate::family::Family;

/// The schema of a tool of which no more is known than that it was called.
const ANYTHING: &str = r#"{"type":"object","properties":{}}"#;

/// Parts of the names of models that take tools whose arguments must fit exactly. Neither maker nor age tells: others,
/// newer ones among them, refuse the whole request.
const STRICT: [&str; 5] = ["haiku-4-5", "opus-4-5", "opus-4-6", "sonnet-4-5", "sonnet-4-6"];

/// The tools of a request in the form of Converse.
#[derive(Default)]
pub struct Tools {
    /// The elements of `tools`, with commas between them. Empty if there are none.
    list: Json,
    /// The field of `toolChoice`, for which there is no word for `none`. Empty if the model is free.
    choice: Json,
    /// Whether the model must call one. Claude cannot think then.
    pub forced: bool,
    /// What was left out.
    pub dropped: Vec<String>,
}

impl Tools {
    /// Translates the tools of a normalized request. `calls` names those that were called before: a conversation with
    /// calls in it needs tools, whether the client sends them again or not.
    pub fn of(request: &ChatRequest, model: &str, family: Family, calls: &[String]) -> Result<Self, Failure> {
        let mut tools = Self::default();
        let has_any = !request.tools().is_empty() || !calls.is_empty();
        let wish = request.tool_choice.as_ref().filter(|_| has_any).map(ToolChoice::wish).transpose()?;
        let is_none = wish.as_ref().is_some_and(|wish| wish.tool_use == ToolUse::None);
        if is_none && calls.is_empty() {
            return Ok(tools);
        }
        for (index, tool) in request.tools().iter().enumerate() {
            if wish.as_ref().is_none_or(|wish| wish.allows(tool)) {
                tools.add(index, tool, model)?;
                if let Some(point) = cache_point(&tool.extra).filter(|_| family.caches_tools()) {
                    tools.list.raw(&point);
                }
            }
        }
        if tools.list.is_empty() {
            calls.iter().for_each(|name| tools.function(name, None, ANYTHING, false));
        }
        if let Some(wish) = wish.filter(|_| !tools.list.is_empty()) {
            tools.forced = wish.tool_use == ToolUse::Required;
            match wish.only {
                // What cannot be forbidden is at least not demanded.
                _ if is_none => tools.dropped.push("tool_choice".to_owned()),
                Some(name) => drop(tools.choice.key("tool").open('{').key("name").string(name).close('}')),
                None => drop(tools.choice.key(if tools.forced { "any" } else { "auto" }).raw("{}")),
            }
        }
        Ok(tools)
    }

    /// Writes `toolConfig`, if there are any tools.
    pub fn write(&self, json: &mut Json) {
        if !self.list.is_empty() {
            json.key("toolConfig").open('{').within("tools", ['[', ']'], &self.list);
            json.within("toolChoice", ['{', '}'], &self.choice).close('}');
        }
    }

    fn add(&mut self, index: usize, tool: &Tool, model: &str) -> Result<(), Failure> {
        let Some(function) = &tool.function else {
            // A tool in the form of Converse is known by its one field.
            if tool.kind.is_none() {
                self.list.raw(&to_json(tool)?);
                return Ok(());
            }
            let message = "This provider has no tools but functions, and those in the form of Converse.";
            return Err(Failure::unsupported(format!("tools[{index}].type"), message));
        };
        let is_strict = function.strict == Some(true);
        let takes_strict = STRICT.iter().any(|name| model.contains(name));
        self.dropped.extend((is_strict && !takes_strict).then(|| format!("tools[{index}].function.strict")));
        let description = function.description.as_deref().filter(|text| !text.is_empty());
        let schema = function.parameters.as_ref().map_or(ANYTHING, |schema| schema.get());
        self.function(function.name.as_deref().unwrap_or_default(), description, schema, is_strict && takes_strict);
        Ok(())
    }

    fn function(&mut self, name: &str, description: Option<&str>, schema: &str, is_strict: bool) {
        let json = self.list.open('{').key("toolSpec").open('{').key("name").string(name);
        json.text("description", description).key("inputSchema").open('{').key("json").raw(schema).close('}');
        if is_strict {
            json.key("strict").raw("true");
        }
        json.close('}').close('}');
    }
}
