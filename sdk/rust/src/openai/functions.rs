//! Functions, the form that tools had before there were tools: turned into tools, so that a plugin knows one form only.

use serde_json::Value;
use serde_json::value::to_raw_value;

use super::{ChatRequest, FunctionTool, NamedTool, Tool, ToolCall, ToolChoice, ToolName};

/// What an answer has to be told of a request whose client speaks of functions: its [`crate::UpstreamRequest::carry`].
const CARRY: &str = "functions";

/// The `carry` of a request, of which [`ChatRequest::adopt_functions`] says whether its client speaks of functions.
pub fn carry(legacy: bool) -> Option<String> {
    legacy.then(|| CARRY.to_owned())
}

/// Whether the client speaks of functions, by what its request [carried](carry).
pub fn is_legacy(carry: Option<&str>) -> bool {
    carry == Some(CARRY)
}

impl ChatRequest<'_> {
    /// Writes the request anew with tools in place of functions: `functions`, `function_call`, the calls in messages
    /// and the messages of the role `function`.
    ///
    /// Returns whether the client speaks of functions. Its answer then has a `function_call` in place of `tool_calls`,
    /// which the sinks for answers do when they are told ([`super::WholeAnswer`], [`super::StreamedAnswer`]).
    pub fn adopt_functions(&mut self) -> bool {
        self.adopt_calls();
        let functions = self.extra.shift_remove("functions");
        let choice = self.extra.shift_remove("function_call");
        let Some(Value::Array(functions)) = functions.filter(|_| self.tools().is_empty()) else { return false };
        if functions.is_empty() {
            return false;
        }
        self.tools = Some(functions.iter().map(tool).collect());
        self.tool_choice = match choice {
            Some(Value::String(word)) => Some(ToolChoice::Text(word.into())),
            Some(Value::Object(mut named)) => named.remove("name").map(|name| {
                let function = ToolName { name: text(&name), ..Default::default() };
                let kind = Some("function".into());
                ToolChoice::Named(Box::new(NamedTool { kind, function: Some(function), ..Default::default() }))
            }),
            _ => None,
        };
        // One call is all that fits into the answer.
        self.parallel_tool_calls = Some(false);
        true
    }

    /// Calls and results of earlier turns. They had no ids, so they get some: a result belongs to the call before it.
    fn adopt_calls(&mut self) {
        let mut last = String::new();
        for (index, message) in self.messages.iter_mut().flatten().enumerate() {
            if let Some(call) = message.function_call.take() {
                last = format!("call_{index}");
                let function = ToolCall { function: Some(call), ..ToolCall::function(last.clone(), "", "") };
                message.tool_calls.get_or_insert_default().push(function);
            }
            if message.role.as_deref() == Some("function") {
                message.role = Some("tool".into());
                if !last.is_empty() {
                    message.tool_call_id.get_or_insert_with(|| last.clone().into());
                }
            }
        }
    }
}

fn tool<'a>(function: &Value) -> Tool<'a> {
    let parameters = function.get("parameters").filter(|parameters| !parameters.is_null());
    let function = FunctionTool {
        name: text(&function["name"]),
        description: text(&function["description"]),
        // What was read as JSON can be written as JSON.
        parameters: parameters.and_then(|parameters| to_raw_value(parameters).ok()),
        ..Default::default()
    };
    Tool { kind: Some("function".into()), function: Some(function), ..Default::default() }
}

fn text<'a>(value: &Value) -> Option<super::Text<'a>> {
    value.as_str().map(|text| text.to_owned().into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn functions_become_tools_wherever_they_stand() {
        let look = json!({"name": "look", "description": "Looks.", "parameters": {"type": "object"}});
        let tool = json!([{"type": "function", "function": look}]);
        let cases = [
            (json!({"functions": [look]}), true, json!({"tools": tool, "parallel_tool_calls": false})),
            (
                json!({"functions": [look], "function_call": "none"}),
                true,
                json!({"tools": tool, "tool_choice": "none", "parallel_tool_calls": false}),
            ),
            (
                json!({"functions": [look], "function_call": {"name": "look"}}),
                true,
                json!({"tools": tool, "tool_choice": {"type": "function", "function": {"name": "look"}},
                    "parallel_tool_calls": false}),
            ),
            (json!({"functions": []}), false, json!({})),
            (json!({"tools": tool, "functions": [look]}), false, json!({"tools": tool})),
            (
                json!({"messages": [
                    {"role": "assistant", "content": null, "function_call": {"name": "look", "arguments": "{}"}},
                    {"role": "function", "name": "look", "content": "sea"}]}),
                false,
                json!({"messages": [
                    {"role": "assistant", "tool_calls": [
                        {"id": "call_0", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
                    {"role": "tool", "content": "sea", "name": "look", "tool_call_id": "call_0"}]}),
            ),
        ];
        for (document, legacy, expected) in cases {
            let document = document.to_string();
            let mut request: ChatRequest = serde_json::from_str(&document).unwrap();
            assert_eq!(request.adopt_functions(), legacy, "{document}");
            let written: Value = serde_json::to_value(&request).unwrap();
            assert_eq!(written, expected, "{document}");
        }
    }
}
