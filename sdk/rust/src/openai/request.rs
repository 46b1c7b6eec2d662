//! The body of `POST /v1/chat/completions`.

use serde_json::value::RawValue;

use super::text::text_or;
use super::{Content, Message, Text};

crate::document! {
    /// A chat request. Each field is as in the API reference; those that only OpenAI itself understands are in `extra`.
    pub struct ChatRequest<'a> {
        /// The model, by the name that the client gave it. The name for upstream is in the call.
        model: Text<'a>,
        /// The conversation so far.
        messages: Vec<Message<'a>>,
        /// How many tokens the answer may have, in the older spelling. See [`ChatRequest::token_limit`].
        max_tokens: u64,
        /// How many tokens the answer may have, reasoning included.
        max_completion_tokens: u64,
        /// From 0 to 2.
        temperature: f64,
        /// From 0 to 1.
        top_p: f64,
        /// Not of the OpenAI API, but sent by many clients.
        top_k: u64,
        /// How many answers are wanted.
        n: u64,
        /// Texts that end the answer.
        stop: Stop<'a>,
        /// Whether the answer is to be streamed.
        stream: bool,
        /// Options of a streamed answer.
        stream_options: StreamOptions,
        /// From -2 to 2.
        presence_penalty: f64,
        /// From -2 to 2.
        frequency_penalty: f64,
        /// Makes sampling repeatable.
        seed: i64,
        /// Whether token probabilities are wanted.
        logprobs: bool,
        /// How many alternatives for each token.
        top_logprobs: u64,
        /// The tools that the model may call.
        tools: Vec<Tool<'a>>,
        /// Whether it must call one, and which.
        tool_choice: ToolChoice<'a>,
        /// Whether it may call several in one turn.
        parallel_tool_calls: bool,
        /// The form of the answer.
        response_format: ResponseFormat<'a>,
        /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`.
        reasoning_effort: Text<'a>,
        /// Whose request it is, in the older spelling of `safety_identifier`.
        user: Text<'a>,
        /// Whose request it is.
        safety_identifier: Text<'a>,
        /// `auto`, `default`, `flex`, `priority` and so on.
        service_tier: Text<'a>,
    }

    /// Options of a streamed answer.
    pub struct StreamOptions {
        /// Whether the last chunk is to tell what the answer cost.
        include_usage: bool,
    }

    /// A tool that the model may call.
    pub struct Tool<'a> {
        /// `function` or `custom`.
        kind = "type": Text<'a>,
        /// Of `function`.
        function: FunctionTool<'a>,
    }

    /// A function that the model may call.
    pub struct FunctionTool<'a> {
        /// Its name.
        name: Text<'a>,
        /// What it is for.
        description: Text<'a>,
        /// A JSON Schema of its arguments, as it came. Absent: it takes none.
        parameters: Box<RawValue>,
        /// Whether the arguments must fit the schema exactly.
        strict: bool,
    }

    /// Which tool must be called, or which ones may be.
    pub struct NamedTool<'a> {
        /// `function`, `custom` or `allowed_tools`.
        kind = "type": Text<'a>,
        /// Of `function` and, by mistake, of many clients.
        name: Text<'a>,
        /// Of `function`.
        function: ToolName<'a>,
        /// Of `custom`.
        custom: ToolName<'a>,
        /// Of `allowed_tools`.
        allowed_tools: AllowedTools<'a>,
    }

    /// A tool by its name.
    pub struct ToolName<'a> {
        /// The name.
        name: Text<'a>,
    }

    /// The tools that may be called in this turn.
    pub struct AllowedTools<'a> {
        /// `auto` or `required`.
        mode: Text<'a>,
        /// The tools.
        tools: Vec<NamedTool<'a>>,
    }

    /// The form that the answer must have.
    pub struct ResponseFormat<'a> {
        /// `text`, `json_object` or `json_schema`.
        kind = "type": Text<'a>,
        /// Of `json_schema`.
        json_schema: JsonSchema<'a>,
    }

    /// A schema for the answer.
    pub struct JsonSchema<'a> {
        /// Its name.
        name: Text<'a>,
        /// What it is for.
        description: Text<'a>,
        /// The JSON Schema, as it came.
        schema: Box<RawValue>,
        /// Whether the answer must fit it exactly.
        strict: bool,
    }
}

text_or! {
    /// Texts that end an answer.
    pub enum Stop {
        /// One.
        Text,
        /// Several.
        Texts(Vec<Text<'a>>) in seq,
    }

    /// Whether a tool must be called, and which.
    pub enum ToolChoice {
        /// `none`, `auto` or `required`.
        Text,
        /// One tool, or some of them.
        Named(Box<NamedTool<'a>>) in map,
    }
}

impl<'a> ChatRequest<'a> {
    /// The conversation, empty if the client sent none.
    pub fn messages(&self) -> &[Message<'a>] {
        self.messages.as_deref().unwrap_or_default()
    }

    /// The tools, empty if there are none.
    pub fn tools(&self) -> &[Tool<'a>] {
        self.tools.as_deref().unwrap_or_default()
    }

    /// How many tokens the answer may have: the newer of the two fields counts.
    pub fn token_limit(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    /// The text of the last message of this role. Empty if there is none.
    pub fn last_text(&self, role: &str) -> Text<'_> {
        let mut messages = self.messages().iter().rev();
        let message = messages.find(|message| message.role.as_deref() == Some(role));
        message.and_then(|message| message.content.as_ref()).map(Content::joined).unwrap_or_default()
    }
}

impl<'a> Stop<'a> {
    /// The texts, whether there is one or several.
    pub fn texts(&self) -> &[Text<'a>] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::Texts(texts) => texts,
        }
    }
}

impl NamedTool<'_> {
    /// The name of the one tool that must be called. `None` for `allowed_tools`.
    pub fn tool_name(&self) -> Option<&str> {
        let nested = self.function.as_ref().or(self.custom.as_ref());
        nested.and_then(|tool| tool.name.as_deref()).or(self.name.as_deref())
    }
}
