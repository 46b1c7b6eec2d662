//! A chat request in one form out of the many in which clients write the same thing, so that a plugin knows one only.

use serde_json::value::RawValue;

use super::{ChatRequest, Content, FunctionTool, Image, ImageUrl, Message, Part};
use crate::Failure;

/// The roles that there are after [`ChatRequest::normalize`].
const ROLES: [&str; 4] = ["system", "user", "assistant", "tool"];

impl ChatRequest<'_> {
    /// Writes the request anew in its simplest form: functions are tools
    /// ([`adopt_functions`](Self::adopt_functions)), `developer` is `system`, refusals are text, images have options,
    /// blank arguments are `{}`, a tool has parameters, and there are no empty lists of parts, calls or tools.
    ///
    /// Returns whether the client speaks of functions.
    ///
    /// # Errors
    /// `invalid-request` for a role that there is not.
    pub fn normalize(&mut self) -> Result<bool, Failure> {
        let speaks_of_functions = self.adopt_functions();
        for (index, message) in self.messages.iter_mut().flatten().enumerate() {
            message.normalize(index)?;
        }
        self.tools = self.tools.take().filter(|tools| !tools.is_empty());
        for function in self.tools.iter_mut().flatten().filter_map(|tool| tool.function.as_mut()) {
            function.expect_schema();
        }
        Ok(speaks_of_functions)
    }
}

impl FunctionTool<'_> {
    /// Gives a function that takes nothing the schema that says so: most upstreams want one.
    pub fn expect_schema(&mut self) {
        if self.parameters.as_ref().is_none_or(|schema| schema.get() == "{}") {
            self.parameters = RawValue::from_string(r#"{"type":"object","properties":{}}"#.to_owned()).ok();
        }
    }
}

impl Message<'_> {
    fn normalize(&mut self, index: usize) -> Result<(), Failure> {
        if self.role.as_deref() == Some("developer") {
            self.role = Some("system".into());
        }
        if !self.role.as_deref().is_some_and(|role| ROLES.contains(&role)) {
            return Err(Failure::invalid_field(format!("messages[{index}].role"), "There is no such role."));
        }
        self.content = self.content.take().filter(|content| !content.is_empty());
        if let Some(Content::Parts(parts)) = &mut self.content {
            parts.iter_mut().for_each(Part::normalize);
        }
        if let Some(refusal) = self.refusal.take() {
            self.content.get_or_insert(Content::Text(refusal));
        }
        self.tool_calls = self.tool_calls.take().filter(|calls| !calls.is_empty());
        for function in self.tool_calls.iter_mut().flatten().filter_map(|call| call.function.as_mut()) {
            let arguments = function.arguments.take().filter(|arguments| !arguments.trim().is_empty());
            function.arguments = Some(arguments.unwrap_or_else(|| "{}".into()));
        }
        Ok(())
    }

    /// Refuses a content with parts of other kinds than these: what a model cannot see must not vanish. `index` is the
    /// message's place in the request.
    ///
    /// # Errors
    /// `unsupported`, with the part.
    pub fn expect_parts(&self, index: usize, kinds: &[&str]) -> Result<(), Failure> {
        let Some(Content::Parts(parts)) = &self.content else { return Ok(()) };
        let kind = |part: &Part| part.kind.as_deref().unwrap_or("text").to_owned();
        match parts.iter().map(kind).enumerate().find(|(_, kind)| !kinds.contains(&kind.as_str())) {
            None => Ok(()),
            Some((at, kind)) => {
                let role = self.role.as_deref().unwrap_or_default();
                let message = format!("This provider cannot take parts of the type '{kind}' from the role '{role}'.");
                Err(Failure::unsupported(format!("messages[{index}].content[{at}]"), message))
            }
        }
    }
}

impl Part<'_> {
    fn normalize(&mut self) {
        if self.kind.as_deref() == Some("refusal") {
            self.kind = Some("text".into());
            self.text = self.refusal.take();
        }
        if let Some(ImageUrl::Text(url)) = &mut self.image_url {
            let url = Some(std::mem::take(url));
            self.image_url = Some(ImageUrl::Image(Image { url, ..Default::default() }));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_request_gets_its_simplest_form() {
        let cases = [
            (json!({"messages": [{"role": "developer", "content": "a"}]}), json!([{"role": "system", "content": "a"}])),
            (
                json!({"messages": [{"role": "user", "content": [
                    {"type": "refusal", "refusal": "no"}, {"type": "image_url", "image_url": "https://a/b"}]}]}),
                json!([{"role": "user", "content": [
                    {"type": "text", "text": "no"}, {"type": "image_url", "image_url": {"url": "https://a/b"}}]}]),
            ),
            (
                json!({"messages": [{"role": "assistant", "content": [], "refusal": "no", "tool_calls": []}]}),
                json!([{"role": "assistant", "content": "no"}]),
            ),
            (
                json!({"messages": [{"role": "assistant", "content": "", "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": " "}}]}]}),
                json!([{"role": "assistant", "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]),
            ),
        ];
        for (document, expected) in cases {
            let document = document.to_string();
            let mut request: ChatRequest = serde_json::from_str(&document).unwrap();
            assert_eq!(request.normalize().map_err(|failure| failure.message), Ok(false));
            assert_eq!(serde_json::to_value(&request.messages).unwrap(), expected, "{document}");
        }
    }

    #[test]
    fn a_tool_has_parameters_and_an_empty_list_of_tools_is_none() {
        let empty = json!({"type": "object", "properties": {}});
        for (tools, expected) in [
            (json!([]), Value::Null),
            (json!([{"function": {"name": "f"}}]), json!([{"function": {"name": "f", "parameters": empty}}])),
            (
                json!([{"function": {"name": "f", "parameters": {}}}]),
                json!([{"function": {"name": "f", "parameters": empty}}]),
            ),
        ] {
            let document = json!({ "tools": tools }).to_string();
            let mut request: ChatRequest = serde_json::from_str(&document).unwrap();
            request.normalize().unwrap();
            assert_eq!(serde_json::to_value(&request.tools).unwrap(), expected, "{document}");
        }
    }

    #[test]
    fn unknown_roles_and_parts_name_their_place() {
        let document = r#"{"messages":[{"role":"user"},{"role":"oracle"}]}"#;
        let mut request: ChatRequest = serde_json::from_str(document).unwrap();
        assert_eq!(request.normalize().unwrap_err().param.as_deref(), Some("messages[1].role"));
        let document = r#"{"role":"user","content":[{"type":"text"},{"type":"file"}]}"#;
        let message: Message = serde_json::from_str(document).unwrap();
        let refused = message.expect_parts(3, &["text"]).unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("messages[3].content[1]"));
        assert!(message.expect_parts(3, &["text", "file"]).is_ok());
    }
}
