//! Tools and the choice among them, in the current form and in the one before it (`functions`).

use weir_plugin::Failure;
use weir_plugin::openai::{ChatRequest, FunctionTool, NamedTool, Tool, ToolChoice};
use weir_plugin::serde_json::{self, Map, Value};

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
        for function in legacy_functions(request) {
            tools.add_legacy(function);
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

    fn add_legacy(&mut self, function: &Value) {
        let json = &mut self.list;
        json.open('{').key("name").string(function["name"].as_str().unwrap_or_default());
        if let Some(description) = function["description"].as_str() {
            json.key("description").string(description);
        }
        let parameters = function.get("parameters").filter(|parameters| !parameters.is_null()).map(Value::to_string);
        schema(json, parameters.as_deref());
        json.close('}');
    }

    fn choose(&mut self, request: &ChatRequest) -> Result<(), Failure> {
        let legacy = request.extra.get("function_call");
        let choice = match &request.tool_choice {
            Some(ToolChoice::Text(word)) => Choice::of_word(word),
            Some(ToolChoice::Named(named)) => Choice::of_named(named)?,
            None => legacy.and_then(Choice::of_legacy),
        };
        // Only one call fits into the form before `tool_calls`.
        let single = request.parallel_tool_calls == Some(false) || is_legacy(request);
        let choice = match choice {
            None if single => Choice::Type("auto"),
            None => return Ok(()),
            Some(choice) => choice,
        };
        self.forced = matches!(choice, Choice::Type("any") | Choice::Tool(_));
        let json = &mut self.choice;
        match choice {
            Choice::Native(native) => {
                json.raw(&serde_json::to_string(native).unwrap_or_default());
                return Ok(());
            }
            Choice::Type(kind) => json.open('{').key("type").body(kind),
            Choice::Tool(name) => json.open('{').key("type").body("tool").key("name").string(name),
        };
        if single && !matches!(choice, Choice::Type("none")) {
            json.key("disable_parallel_tool_use").raw("true");
        }
        json.close('}');
        Ok(())
    }
}

/// Whether the client speaks of functions and not of tools.
pub fn is_legacy(request: &ChatRequest) -> bool {
    request.tools().is_empty() && !legacy_functions(request).is_empty()
}

fn legacy_functions<'r>(request: &'r ChatRequest) -> &'r [Value] {
    request.extra.get("functions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What the model may do about its tools.
#[derive(Clone, Copy)]
enum Choice<'a> {
    /// `auto`, `any` or `none`.
    Type(&'static str),
    /// This one.
    Tool(&'a str),
    /// As Anthropic writes it.
    Native(&'a NamedTool<'a>),
}

impl<'a> Choice<'a> {
    fn of_word(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Type("auto")),
            "none" => Some(Self::Type("none")),
            "required" | "any" => Some(Self::Type("any")),
            _ => None,
        }
    }

    fn of_named(named: &'a NamedTool) -> Result<Option<Self>, Failure> {
        match named.kind.as_deref() {
            Some("allowed_tools") => Ok(Self::of_word(allowed_mode(named))),
            Some("custom") => Err(Failure::unsupported("tool_choice", "This provider has no custom tools.")),
            Some("auto" | "any" | "none" | "tool") => Ok(Some(Self::Native(named))),
            _ => match named.tool_name() {
                Some(name) => Ok(Some(Self::Tool(name))),
                None => Err(Failure::invalid_field("tool_choice.function.name", "The name of the tool is missing.")),
            },
        }
    }

    fn of_legacy(call: &'a Value) -> Option<Self> {
        call.as_str().map_or_else(|| call["name"].as_str().map(Self::Tool), Self::of_word)
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
