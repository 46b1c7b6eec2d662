//! What a client says of its tools, whichever of the many forms it has.

use super::{NamedTool, Tool, ToolChoice, ToolUse};
use crate::Failure;

/// A `tool_choice`, understood. See [`ToolChoice::wish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolWish<'r> {
    /// What the model may do.
    pub tool_use: ToolUse,
    /// The tool that it must call, if it is a certain one.
    pub only: Option<&'r str>,
    /// The tools among which it may choose, if not among all.
    pub allowed: Option<Vec<&'r str>>,
}

impl ToolWish<'_> {
    /// Whether the model may choose this tool. What is no function has no name to leave it out by.
    pub fn allows(&self, tool: &Tool) -> bool {
        let name = tool.function.as_ref().and_then(|function| function.name.as_deref());
        self.allowed.as_ref().is_none_or(|allowed| name.is_none_or(|name| allowed.contains(&name)))
    }
}

impl ToolChoice<'_> {
    /// What the client says.
    ///
    /// # Errors
    /// `unsupported` for a custom tool, `invalid-request` for a choice that there is not.
    pub fn wish(&self) -> Result<ToolWish<'_>, Failure> {
        let named = match self {
            Self::Text(word) => return Ok(ToolWish { tool_use: tool_use(word)?, only: None, allowed: None }),
            Self::Named(named) => named,
        };
        match (named.kind.as_deref(), &named.allowed_tools, named.tool_name()) {
            (Some("custom"), ..) => Err(Failure::unsupported("tool_choice", "This provider has no custom tools.")),
            (Some("allowed_tools"), Some(allowed), _) => {
                let names = allowed.tools.iter().flatten().filter_map(NamedTool::tool_name).collect();
                let tool_use = tool_use(allowed.mode.as_deref().unwrap_or("auto"))?;
                Ok(ToolWish { tool_use, only: None, allowed: Some(names) })
            }
            (.., Some(name)) => Ok(ToolWish { tool_use: ToolUse::Required, only: Some(name), allowed: None }),
            (.., None) => Err(Failure::invalid_field("tool_choice.function.name", "The name of the tool is missing.")),
        }
    }
}

fn tool_use(word: &str) -> Result<ToolUse, Failure> {
    match word {
        "auto" => Ok(ToolUse::Auto),
        "none" => Ok(ToolUse::None),
        "required" | "any" => Ok(ToolUse::Required),
        _ => Err(Failure::invalid_field("tool_choice", format!("There is no choice '{word}'."))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ChatRequest;
    use super::*;

    #[test]
    fn a_choice_is_understood_in_every_form() {
        let wish = |tool_use, only, allowed: Option<&[&'static str]>| {
            Ok(ToolWish { tool_use, only, allowed: allowed.map(<[_]>::to_vec) })
        };
        let cases = [
            (r#""auto""#, wish(ToolUse::Auto, None, None)),
            (r#""none""#, wish(ToolUse::None, None, None)),
            (r#""any""#, wish(ToolUse::Required, None, None)),
            (r#"{"type":"function","function":{"name":"a"}}"#, wish(ToolUse::Required, Some("a"), None)),
            (r#"{"type":"function","name":"a"}"#, wish(ToolUse::Required, Some("a"), None)),
            (
                r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"name":"a"}]}}"#,
                wish(ToolUse::Required, None, Some(&["a"])),
            ),
            (r#"{"type":"allowed_tools","allowed_tools":{}}"#, wish(ToolUse::Auto, None, Some(&[]))),
            (r#""perhaps""#, Err("tool_choice")),
            (r#"{"type":"custom","custom":{"name":"a"}}"#, Err("tool_choice")),
            (r#"{"type":"function"}"#, Err("tool_choice.function.name")),
        ];
        for (choice, expected) in cases {
            let document = format!(r#"{{"tool_choice":{choice}}}"#);
            let request: ChatRequest = serde_json::from_str(&document).unwrap();
            let found = request.tool_choice.as_ref().unwrap().wish();
            assert_eq!(found.map_err(|failure| failure.param.unwrap()), expected.map_err(str::to_owned), "{choice}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_left_out_and_what_has_no_name_is_not() {
        let wish = ToolWish { tool_use: ToolUse::Auto, only: None, allowed: Some(vec!["a"]) };
        for (tool, allowed) in [
            (r#"{"function":{"name":"a"}}"#, true),
            (r#"{"function":{"name":"b"}}"#, false),
            (r#"{"systemTool":{"name":"b"}}"#, true),
        ] {
            assert_eq!(wish.allows(&serde_json::from_str(tool).unwrap()), allowed, "{tool}");
        }
    }
}
