//! A request without what OpenAI's API does not have, for upstreams that refuse what they do not know.

use serde_json::Map;

use super::{ChatRequest, Content};

impl ChatRequest<'_> {
    /// Takes from messages, calls and functions all fields that OpenAI's API does not have, but for those of messages
    /// that are `kept` (words with blanks between them), and from parts the marks of caches. Of functions, `strict` goes
    /// too: what it asks for is to be seen to before.
    pub fn strip(&mut self, kept: &str) {
        for message in self.messages.iter_mut().flatten() {
            message.extra.retain(|name, value| !value.is_null() && kept.split(' ').any(|kept| kept == name));
            if let Some(Content::Parts(parts)) = &mut message.content {
                parts.iter_mut().for_each(|part| drop(part.extra.shift_remove("cache_control")));
            }
            for call in message.tool_calls.iter_mut().flatten() {
                call.extra = Map::new();
                call.function.iter_mut().for_each(|function| function.extra = Map::new());
            }
        }
        for tool in self.tools.iter_mut().flatten().filter(|tool| tool.function.is_some()) {
            (tool.kind, tool.extra) = (Some("function".into()), Map::new());
            tool.function.iter_mut().for_each(|function| (function.strict, function.extra) = (None, Map::new()));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_openai_has_and_what_is_kept_stays() {
        let document = json!({"top": 1, "messages": [{"role": "user", "own": 1, "other": 2, "content": [
                {"type": "text", "text": "a", "cache_control": {}, "own": 3}]},
                {"role": "assistant", "own": null, "tool_calls": [
                    {"id": "c", "extra_content": {}, "function": {"name": "f", "arguments": "{}", "x": 1}}]}],
            "tools": [{"cache_control": {}, "function": {"name": "f", "strict": true, "x": 1}}, {"own": 1}]});
        let document = document.to_string();
        let mut request: ChatRequest = serde_json::from_str(&document).unwrap();
        request.strip("plan own");
        let expected = json!({"messages": [
                {"role": "user", "content": [{"type": "text", "text": "a", "own": 3}], "own": 1},
                {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}],
            "tools": [{"type": "function", "function": {"name": "f"}}, {"own": 1}], "top": 1});
        assert_eq!(serde_json::to_value(&request).unwrap(), expected);
    }
}
