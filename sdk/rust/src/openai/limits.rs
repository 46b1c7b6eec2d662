//! What a request asks for that an upstream does not have: what is left out, and what cannot be.

use super::{ChatRequest, Stop, asks_for_something};
use crate::Failure;

/// What the model may do about its tools. See [`ChatRequest::choose_tools`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolUse {
    /// It decides by itself.
    Auto,
    /// It must not call any.
    None,
    /// It must call at least one.
    Required,
}

impl ChatRequest<'_> {
    /// The fields that the upstream request leaves out, for [`crate::UpstreamRequest::dropped`]: those that
    /// [ask for something](asks_for_something) and are not among `passed`, the names of all that is sent on in some
    /// form. The conversation, its tools and the limit of tokens are taken to be sent always.
    pub fn dropped(&self, passed: &[&str]) -> Vec<String> {
        let format = self.response_format.as_ref().and_then(|format| format.kind.as_deref());
        let typed = [
            ("temperature", self.temperature.is_some()),
            ("top_p", self.top_p.is_some_and(|share| share != 1.0)),
            ("top_k", self.top_k.is_some()),
            ("n", self.n.is_some_and(|n| n > 1)),
            ("stop", self.stop.as_ref().is_some_and(|stop| !stop.texts().is_empty())),
            ("presence_penalty", self.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
            ("frequency_penalty", self.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
            ("seed", self.seed.is_some()),
            ("logprobs", self.logprobs == Some(true)),
            ("top_logprobs", self.top_logprobs.is_some_and(|count| count > 0)),
            ("parallel_tool_calls", self.parallel_tool_calls == Some(false)),
            ("response_format", format.is_some_and(|format| format != "text")),
            ("reasoning_effort", self.reasoning_effort.is_some()),
            ("service_tier", self.service_tier.as_deref().is_some_and(|tier| !["auto", "default"].contains(&tier))),
        ];
        // Clients that speak of thinking in Anthropic's words have it translated into an effort on the way here.
        let is_said_twice = |name: &str| name == "thinking" && self.reasoning_effort.is_some();
        let untyped = self
            .extra
            .iter()
            .map(|(name, value)| (name.as_str(), asks_for_something(name, value) && !is_said_twice(name)));
        let asked = typed.into_iter().chain(untyped).filter(|(_, asked)| *asked).map(|(name, _)| name);
        asked.filter(|name| !passed.contains(name)).map(str::to_owned).collect()
    }

    /// Refuses what no upstream of one text at a time can do: several answers, and answers in sound.
    ///
    /// # Errors
    /// `unsupported`, with the field.
    pub fn expect_one_text(&self) -> Result<(), Failure> {
        if self.n.is_some_and(|n| n > 1) {
            return Err(Failure::unsupported("n", "This provider gives one answer to a request."));
        }
        match self.extra.get("modalities") {
            Some(modalities) if asks_for_something("modalities", modalities) => {
                Err(Failure::unsupported("modalities", "This provider answers with text only."))
            }
            _ => Ok(()),
        }
    }

    /// Takes those texts out of `stop` that are blank, for an upstream that refuses them. Returns the field's name if
    /// there were any.
    pub fn drop_blank_stops(&mut self) -> Option<String> {
        let stops = self.stop.as_ref().map_or(&[][..], Stop::texts);
        let kept: Vec<_> = stops.iter().filter(|text| !text.trim().is_empty()).cloned().collect();
        let dropped = (kept.len() < stops.len()).then(|| "stop".to_owned());
        self.stop = Some(Stop::Texts(kept)).filter(|stop| !stop.texts().is_empty());
        dropped
    }

    /// For an upstream that has functions alone and can be told no more than to call some or none of them: leaves
    /// only those tools in the request that the choice allows, and takes the choice out of it. A tool that is
    /// demanded by its name stays as the only one.
    ///
    /// # Errors
    /// `unsupported` for other tools than functions, `invalid-request` for a choice that makes no sense.
    pub fn choose_tools(&mut self) -> Result<ToolUse, Failure> {
        if let Some(place) = self.tools().iter().position(|tool| tool.function.is_none()) {
            let message = "This provider has no tools but functions.";
            return Err(Failure::unsupported(format!("tools[{place}].type"), message));
        }
        let Some(choice) = self.tool_choice.take() else { return Ok(ToolUse::Auto) };
        let wish = choice.wish()?;
        let Some(names) = wish.only.map(|name| vec![name]).or(wish.allowed) else { return Ok(wish.tool_use) };
        let chosen = |name: Option<&str>| name.is_some_and(|name| names.contains(&name));
        let tools = self.tools.get_or_insert_default();
        tools.retain(|tool| tool.function.as_ref().is_some_and(|function| chosen(function.name.as_deref())));
        if tools.is_empty() {
            return Err(Failure::invalid_field("tool_choice", "The tool that is to be called is not among the tools."));
        }
        Ok(wish.tool_use)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(document: &str) -> ChatRequest<'_> {
        serde_json::from_str(document).unwrap()
    }

    #[test]
    fn what_asks_for_something_and_is_not_passed_is_dropped() {
        let cases = [
            (r#"{"n":1,"logprobs":false,"presence_penalty":0,"top_p":1,"user":"u","store":true}"#, ""),
            (r#"{"service_tier":"auto","metadata":{},"logit_bias":{},"modalities":["text"],"audio":null}"#, ""),
            (r#"{"stream_options":{"include_obfuscation":false},"safety_identifier":"s"}"#, ""),
            (r#"{"seed":1,"temperature":0.5,"documents":[]}"#, ""),
            (r#"{"top_logprobs":2,"logit_bias":{"1":2},"odd":0}"#, "top_logprobs logit_bias odd"),
            (r#"{"parallel_tool_calls":false,"service_tier":"flex"}"#, "parallel_tool_calls service_tier"),
            (r#"{"response_format":{"type":"text"},"reasoning_effort":"low"}"#, "reasoning_effort"),
            (r#"{"thinking":{"type":"enabled"},"reasoning_effort":"low"}"#, "reasoning_effort"),
            (r#"{"thinking":{"type":"enabled"}}"#, "thinking"),
        ];
        for (document, expected) in cases {
            let dropped = request(document).dropped(&["seed", "temperature", "documents"]);
            assert_eq!(dropped.join(" "), expected, "{document}");
        }
    }

    #[test]
    fn blank_stops_are_taken_out() {
        for (stop, dropped, kept) in [
            (r#"["a"," ","b"]"#, Some("stop"), Some("a b")),
            (r#""\n""#, Some("stop"), None),
            (r#""a""#, None, Some("a")),
            ("[]", None, None),
        ] {
            let document = format!(r#"{{"stop":{stop}}}"#);
            let mut request = request(&document);
            assert_eq!(request.drop_blank_stops().as_deref(), dropped, "{stop}");
            let texts =
                request.stop.map(|stop| stop.texts().iter().map(|text| text.as_str()).collect::<Vec<_>>().join(" "));
            assert_eq!(texts.as_deref(), kept, "{stop}");
        }
    }

    #[test]
    fn what_cannot_be_left_out_is_refused() {
        let cases = [
            (r#"{"n":1,"modalities":["text"]}"#, None),
            (r#"{"n":2}"#, Some("n")),
            (r#"{"modalities":["text","audio"]}"#, Some("modalities")),
        ];
        for (document, param) in cases {
            let refused = request(document).expect_one_text().err();
            assert_eq!(refused.and_then(|failure| failure.param).as_deref(), param, "{document}");
        }
    }

    #[test]
    fn a_choice_leaves_the_tools_that_it_allows() {
        use ToolUse::{Auto, None, Required};
        let cases = [
            (r#""auto""#, Ok((Auto, "a b"))),
            (r#""none""#, Ok((None, "a b"))),
            (r#""required""#, Ok((Required, "a b"))),
            ("null", Ok((Auto, "a b"))),
            (r#"{"type":"function","function":{"name":"b"}}"#, Ok((Required, "b"))),
            (r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"name":"a"}]}}"#, Ok((Auto, "a"))),
            (
                r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"function":{"name":"b"}}]}}"#,
                Ok((Required, "b")),
            ),
            (r#""perhaps""#, Err("tool_choice")),
            (r#"{"type":"function","function":{"name":"c"}}"#, Err("tool_choice")),
        ];
        for (choice, expected) in cases {
            let document = format!(
                r#"{{"tools":[{{"function":{{"name":"a"}}}},{{"function":{{"name":"b"}}}}],"tool_choice":{choice}}}"#
            );
            let mut request = request(&document);
            let found = request.choose_tools().map_err(|failure| failure.param.unwrap_or_default());
            let functions = request.tools().iter().filter_map(|tool| tool.function.as_ref()?.name.as_deref());
            let names = functions.collect::<Vec<_>>().join(" ");
            assert_eq!(
                found.map(|found| (found, names)),
                expected.map(|(use_, names)| (use_, names.to_owned())).map_err(str::to_owned)
            );
        }
        let refused = request(r#"{"tools":[{"type":"custom","custom":{"name":"c"}}]}"#).choose_tools().unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("tools[0].type"));
    }
}
