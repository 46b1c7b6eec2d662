//! Tools and the choice among them.

use crate::Failure;
use crate::openai::{ChatRequest, FunctionTool, NamedTool, Tool, ToolChoice};
use serde_json::{Map, Value};

use crate::json::Json;

/// The tools of a request in Anthropic's form.
#[derive(Default)]
pub struct Tools {
    /// The elements of `tools`, with commas between them. Empty if there are none.
    pub list: Json,
    /// The object `tool_choice`. Empty if the model is free.
    pub choice: Json,
    /// Whether the choice makes the model call a tool. It cannot think then.
    pub forced: bool,
}

impl Tools {
    /// Translates the tools of a request. An empty list is none at all.
    pub fn of(request: &ChatRequest) -> Result<Self, Failure> {
        let mut tools = Self::default();
        let allowed = allowed_tools(request);
        for (index, tool) in request.tools().iter().enumerate() {
            tools.add(index, tool, allowed.as_deref())?;
        }
        // A choice among no tools is refused by Anthropic, and means nothing.
        if !tools.list.is_empty() {
            tools.choose(request)?;
        }
        Ok(tools)
    }

    fn add(&mut self, index: usize, tool: &Tool, allowed: Option<&[&str]>) -> Result<(), Failure> {
        match (&tool.function, tool.kind.as_deref()) {
            (Some(function), _) => {
                let name = function.name.as_deref().unwrap_or_default();
                if allowed.is_none_or(|allowed| allowed.contains(&name)) {
                    self.function(function, &tool.extra);
                }
                Ok(())
            }
            (None, Some("custom")) if !tool.extra.contains_key("input_schema") => {
                let message = "This provider has no custom tools, only functions.";
                Err(Failure::unsupported(format!("tools[{index}].type"), message))
            }
            (None, Some("function")) => {
                Err(Failure::invalid_field(format!("tools[{index}].function"), "The function is missing."))
            }
            // A tool in Anthropic's own form: web search, code execution, computer use, or a function's.
            _ => {
                self.list.raw(&serde_json::to_string(tool).unwrap_or_default());
                Ok(())
            }
        }
    }

    fn function(&mut self, function: &FunctionTool, extra: &Map<String, Value>) {
        let json = &mut self.list;
        json.open('{').key("name").string(function.name.as_deref().unwrap_or_default());
        if let Some(description) = &function.description {
            json.key("description").string(description);
        }
        schema(json, function.parameters.as_ref().map(|parameters| parameters.get()));
        if let Some(strict) = function.strict {
            json.key("strict").raw(if strict { "true" } else { "false" });
        }
        // Cache marks and Anthropic's own options (`defer_loading`) stand on the tool or on its function.
        for (name, value) in extra.iter().chain(&function.extra).filter(|(_, value)| !value.is_null()) {
            json.key_of(name).raw(&value.to_string());
        }
        json.close('}');
    }

    fn choose(&mut self, request: &ChatRequest) -> Result<(), Failure> {
        let (word, name) = match &request.tool_choice {
            None => ("", None),
            Some(ToolChoice::Text(word)) => (word.as_str(), None),
            Some(ToolChoice::Named(named)) => match named.kind.as_deref() {
                Some("allowed_tools") => (allowed_mode(named), None),
                Some("custom") => {
                    return Err(Failure::unsupported("tool_choice", "This provider has no custom tools."));
                }
                // As Anthropic writes it.
                Some("auto" | "any" | "none" | "tool") => {
                    self.choice.raw(&serde_json::to_string(named).unwrap_or_default());
                    return Ok(());
                }
                _ if named.tool_name().is_some() => ("tool", named.tool_name()),
                _ => {
                    let message = "The name of the tool is missing.";
                    return Err(Failure::invalid_field("tool_choice.function.name", message));
                }
            },
        };
        let single = request.parallel_tool_calls == Some(false);
        let kind = match word {
            "auto" | "none" | "tool" => word,
            "required" | "any" => "any",
            _ if single => "auto",
            _ => return Ok(()),
        };
        self.forced = matches!(kind, "any" | "tool");
        self.choice.open('{').key("type").body(kind);
        if let Some(name) = name {
            self.choice.key("name").string(name);
        }
        if single && kind != "none" {
            self.choice.key("disable_parallel_tool_use").raw("true");
        }
        self.choice.close('}');
        Ok(())
    }
}

fn allowed_mode<'r>(named: &'r NamedTool) -> &'r str {
    named.allowed_tools.as_ref().and_then(|allowed| allowed.mode.as_deref()).unwrap_or("auto")
}

/// The names of the tools that the choice leaves, if it leaves some out. Anthropic has no such choice: the others
/// are not sent.
fn allowed_tools<'r>(request: &'r ChatRequest) -> Option<Vec<&'r str>> {
    let Some(ToolChoice::Named(named)) = &request.tool_choice else { return None };
    let allowed = named.allowed_tools.as_ref().filter(|_| named.kind.as_deref() == Some("allowed_tools"))?;
    Some(allowed.tools.as_deref().unwrap_or_default().iter().filter_map(NamedTool::tool_name).collect())
}

/// Anthropic requires a schema, and of the type object, also of a tool that takes nothing.
fn schema(json: &mut Json, parameters: Option<&str>) {
    let empty = r#"{"type":"object","properties":{}}"#;
    json.key("input_schema").raw(parameters.filter(|parameters| *parameters != "{}").unwrap_or(empty));
}
