//! Tools and the choice among them.

use serde_json::value::RawValue;
use weir_plugin::Failure;
use weir_plugin::openai::{ChatRequest, NamedTool, Tool, ToolChoice as Choice};

use super::messages::cache_point;
use crate::family::Family;
use crate::wire::{InputSchema, ToolBlock, ToolChoice, ToolConfig};

/// The schema of a tool that takes nothing: there has to be one.
const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

/// Parts of the names of models that take tools whose arguments must fit exactly. Neither maker nor age tells: others,
/// newer ones among them, refuse the whole request.
const STRICT: [&str; 5] = ["haiku-4-5", "opus-4-5", "opus-4-6", "sonnet-4-5", "sonnet-4-6"];

/// The tools of a request in the form of Converse.
#[derive(Default)]
pub struct Tools<'a> {
    /// Absent if there are none.
    pub config: Option<ToolConfig<'a>>,
    /// Whether the model must call one. Claude cannot think then.
    pub forced: bool,
    /// What was left out.
    pub dropped: Vec<String>,
}

impl<'a> Tools<'a> {
    /// Translates the tools of a request. `calls` names those that were called before: a conversation with calls in
    /// it needs tools, whether the client sends them again or not.
    pub fn of(request: &'a ChatRequest, model: &str, family: Family, calls: &[&'a str]) -> Result<Self, Failure> {
        let mut tools = Self::default();
        let choice = request.tool_choice.as_ref();
        let is_none = matches!(choice, Some(Choice::Text(word)) if *word == "none");
        if is_none && calls.is_empty() {
            return Ok(tools);
        }
        let allowed = choice.and_then(allowed_tools);
        let mut blocks = Vec::new();
        for (index, tool) in request.tools().iter().enumerate() {
            if allowed.as_ref().is_none_or(|allowed| name(tool).is_none_or(|name| allowed.contains(&name))) {
                tools.add(&mut blocks, index, tool, model)?;
                let mark = cache_point(&tool.extra).filter(|_| family.caches_tools());
                blocks.extend(mark.map(ToolBlock::CachePoint));
            }
        }
        if blocks.is_empty() {
            blocks.extend(calls.iter().map(|name| tool_spec(name, None, None, None)));
        }
        if blocks.is_empty() {
            return Ok(tools);
        }
        // What cannot be forbidden is at least not demanded.
        tools.dropped.extend(is_none.then(|| "tool_choice".to_owned()));
        let tool_choice = choice.filter(|_| !is_none).map(tool_choice).transpose()?;
        tools.forced = matches!(tool_choice, Some(ToolChoice::Any {} | ToolChoice::Tool { .. }));
        tools.config = Some(ToolConfig { tools: blocks, tool_choice });
        Ok(tools)
    }

    fn add(
        &mut self,
        blocks: &mut Vec<ToolBlock<'a>>,
        index: usize,
        tool: &'a Tool,
        model: &str,
    ) -> Result<(), Failure> {
        let Some(function) = &tool.function else {
            // A tool in the form of Converse is known by its one field.
            if tool.kind.is_none() {
                blocks.push(ToolBlock::Own(tool));
                return Ok(());
            }
            let message = "This provider has no tools but functions, and those in the form of Converse.";
            return Err(Failure::unsupported(format!("tools[{index}].type"), message));
        };
        let mut strict = function.strict.filter(|strict| *strict);
        if strict.is_some() && !STRICT.iter().any(|name| model.contains(name)) {
            self.dropped.push(format!("tools[{index}].function.strict"));
            strict = None;
        }
        let description = function.description.as_deref().filter(|text| !text.is_empty());
        let parameters = function.parameters.as_deref().filter(|parameters| parameters.get() != "{}");
        blocks.push(tool_spec(function.name.as_deref().unwrap_or_default(), description, parameters, strict));
        Ok(())
    }
}

fn tool_spec<'a>(
    name: &'a str,
    description: Option<&'a str>,
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
) -> ToolBlock<'a> {
    let nothing = || weir_plugin::serde_json::from_str(NO_ARGUMENTS).unwrap_or(RawValue::NULL);
    let input_schema = InputSchema { json: parameters.unwrap_or_else(nothing) };
    ToolBlock::ToolSpec { name, description, input_schema, strict }
}

fn tool_choice<'a>(choice: &'a Choice) -> Result<ToolChoice<'a>, Failure> {
    let word = match choice {
        Choice::Text(word) => word.as_str(),
        Choice::Named(named) => match (named.kind.as_deref(), &named.allowed_tools) {
            (Some("allowed_tools"), Some(allowed)) => allowed.mode.as_deref().unwrap_or("auto"),
            (Some("custom"), _) => {
                return Err(Failure::unsupported("tool_choice", "This provider has no tools but functions."));
            }
            _ => match named.tool_name() {
                Some(name) => return Ok(ToolChoice::Tool { name }),
                None => {
                    let message = "The name of the tool is missing.";
                    return Err(Failure::invalid_field("tool_choice.function.name", message));
                }
            },
        },
    };
    match word {
        "auto" => Ok(ToolChoice::Auto {}),
        "required" | "any" => Ok(ToolChoice::Any {}),
        _ => Err(Failure::invalid_field("tool_choice", format!("There is no choice '{word}'."))),
    }
}

/// The names of the tools that the choice leaves, if it leaves some out. Converse has no such choice: the others are
/// not sent.
fn allowed_tools<'a>(choice: &'a Choice) -> Option<Vec<&'a str>> {
    let Choice::Named(named) = choice else { return None };
    let allowed = named.allowed_tools.as_ref().filter(|_| named.kind.as_deref() == Some("allowed_tools"))?;
    Some(allowed.tools.as_deref().unwrap_or_default().iter().filter_map(NamedTool::tool_name).collect())
}

fn name<'a>(tool: &'a Tool) -> Option<&'a str> {
    tool.function.as_ref()?.name.as_deref()
}
