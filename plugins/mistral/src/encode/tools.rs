//! The tools that a request offers, and whether one must be called.

use weir_plugin::Failure;
use weir_plugin::openai::{NamedTool, Tool, ToolChoice, ToolName, ToolUse};

/// Rewrites the tools of a request, and the choice among them. Mistral has tools of its own besides functions, such as
/// image generation, which go as they are. A choice of some tools leaves out the others.
pub fn rewrite<'a>(tools: &mut Vec<Tool<'a>>, choice: Option<ToolChoice>) -> Result<Option<ToolChoice<'a>>, Failure> {
    for (place, tool) in tools.iter_mut().enumerate() {
        if tool.kind.as_deref() == Some("custom") {
            return Err(Failure::unsupported(format!("tools[{place}]"), "This provider has no custom tools."));
        }
        if let Some(function) = &mut tool.function {
            function.expect_schema();
            function.extra.clear();
            tool.extra.clear();
            tool.kind = Some("function".into());
        }
    }
    let Some(choice) = choice.filter(|_| !tools.is_empty()) else { return Ok(None) };
    let wish = choice.wish()?;
    tools.retain(|tool| wish.allowed.is_none() || tool.function.is_some() && wish.allows(tool));
    // Both words for it are taken today; older deployments know the one.
    Ok(Some(match (wish.only, wish.tool_use) {
        (Some(name), _) => {
            let function = Some(ToolName { name: Some(name.to_owned().into()), ..ToolName::default() });
            let kind = Some("function".into());
            ToolChoice::Named(Box::new(NamedTool { kind, function, ..NamedTool::default() }))
        }
        (None, ToolUse::Required) => "any".into(),
        (None, ToolUse::Auto) => "auto".into(),
        (None, ToolUse::None) => "none".into(),
    }))
}
