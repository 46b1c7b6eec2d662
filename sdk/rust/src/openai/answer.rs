//! A whole answer, and the list of models.

use serde_json::Value;

use super::{FinishReason, FunctionCall, Text, ToolCall, Usage};

crate::document! {
    /// A chat completion. See [`ChatCompletion::new`].
    pub struct ChatCompletion<'a> {
        /// The answer's id, which upstream gave.
        id: Text<'a>,
        /// `chat.completion`.
        object: Text<'a>,
        /// When it was made, in seconds since 1970.
        created: u64,
        /// The model that answered.
        model: Text<'a>,
        /// One for each of the `n` answers.
        choices: Vec<Choice<'a>>,
        /// What it cost.
        usage: Usage,
        /// Which tier served it.
        service_tier: Text<'a>,
        /// Which version of the server's software served it.
        system_fingerprint: Text<'a>,
    }

    /// One answer.
    pub struct Choice<'a> {
        /// Its place among the `n`, from 0.
        index: u32,
        /// What it says.
        message: AnswerMessage<'a>,
        /// Token probabilities.
        logprobs: Value = null,
        /// Why it ended: one of [`super::FinishReason`].
        finish_reason: Text<'a> = null,
    }

    /// What the assistant says.
    pub struct AnswerMessage<'a> {
        /// `assistant`.
        role: Text<'a>,
        /// The text, absent if there is none.
        content: Text<'a> = null,
        /// What it said when it declined.
        refusal: Text<'a> = null,
        /// What it thought.
        reasoning_content: Text<'a>,
        /// The tools that it calls. Absent rather than empty.
        tool_calls: Vec<ToolCall<'a>>,
        /// The call in the form before `tool_calls`.
        function_call: FunctionCall<'a>,
        /// Sources that it cites.
        annotations: Vec<Value>,
    }

    /// The answer to `GET /v1/models`. See [`ModelList::new`].
    pub struct ModelList<'a> {
        /// `list`.
        object: Text<'a>,
        /// The models.
        data: Vec<Model<'a>>,
    }

    /// One model.
    pub struct Model<'a> {
        /// What requests call it.
        id: Text<'a>,
        /// `model`.
        object: Text<'a>,
        /// When it was made, in seconds since 1970; 0 if nobody knows.
        created: u64,
        /// Whose it is.
        owned_by: Text<'a>,
    }
}

impl<'a> ChatCompletion<'a> {
    /// A complete answer with one choice.
    pub fn new(
        id: impl Into<Text<'a>>,
        created: u64,
        model: impl Into<Text<'a>>,
        message: AnswerMessage<'a>,
        finish_reason: FinishReason,
        usage: Option<Usage>,
    ) -> Self {
        Self {
            id: Some(id.into()),
            object: Some("chat.completion".into()),
            created: Some(created),
            model: Some(model.into()),
            choices: Some(vec![Choice::new(0, message, finish_reason)]),
            usage,
            ..Default::default()
        }
    }
}

impl<'a> Choice<'a> {
    /// One answer of several.
    pub fn new(index: u32, message: AnswerMessage<'a>, finish_reason: FinishReason) -> Self {
        let finish_reason = Some(finish_reason.as_str().into());
        Self { index: Some(index), message: Some(message), finish_reason, ..Default::default() }
    }
}

impl<'a> AnswerMessage<'a> {
    /// What the assistant says, without text so far.
    pub fn assistant() -> Self {
        Self { role: Some("assistant".into()), ..Default::default() }
    }

    /// The assistant saying this text.
    pub fn text(content: impl Into<Text<'a>>) -> Self {
        Self { content: Some(content.into()), ..Self::assistant() }
    }
}

impl<'a> ModelList<'a> {
    /// A list of these models. One without an id cannot be asked for, and is left out.
    pub fn new(mut models: Vec<Model<'a>>) -> Self {
        models.retain(|model| model.id.as_ref().is_some_and(|id| !id.is_empty()));
        Self { object: Some("list".into()), data: Some(models), ..Default::default() }
    }
}

impl<'a> Model<'a> {
    /// One model. `created` is in seconds since 1970, 0 if nobody knows.
    pub fn new(id: impl Into<Text<'a>>, created: u64, owned_by: impl Into<Text<'a>>) -> Self {
        let object = Some("model".into());
        let (id, created, owned_by) = (Some(id.into()), Some(created), Some(owned_by.into()));
        Self { id, object, created, owned_by, ..Default::default() }
    }

    /// The same model with one of the facts that clients may be told of: `context_window`, `max_output_tokens`,
    /// `input_modalities` and so on. `None` if nobody knows.
    #[must_use]
    pub fn with(mut self, fact: &str, value: Option<impl Into<Value>>) -> Self {
        self.extra.extend(value.map(|value| (fact.to_owned(), value.into())));
        self
    }
}
