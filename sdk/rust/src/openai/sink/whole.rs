//! An answer in one document.

use serde_json::{Map, Value};

use super::{AnswerSink, finish_reason, given_or_made};
use crate::json::object;
use crate::openai::{
    AnswerMessage, ChatCompletion, Choice, FinishReason, ToolCall, Usage, completion_id, now, to_json,
};
use crate::{Call, Failure};

/// Gathers a whole answer.
#[derive(Debug)]
pub struct WholeAnswer<'c> {
    call: &'c Call,
    legacy: bool,
    id: Option<String>,
    model: Option<String>,
    drafts: Vec<Draft>,
    /// Which of them is being told of.
    current: usize,
}

/// A choice in the making.
#[derive(Debug, Default)]
struct Draft {
    choice: u32,
    content: String,
    reasoning: String,
    audio: String,
    calls: Vec<ToolCall<'static>>,
    fields: Map<String, Value>,
    lists: Map<String, Value>,
    logprobs: Vec<Value>,
    reason: Option<FinishReason>,
    extra: Map<String, Value>,
}

impl<'c> WholeAnswer<'c> {
    /// Begins. `legacy` says that the client speaks of functions ([`crate::openai::ChatRequest::adopt_functions`]).
    pub fn new(call: &'c Call, legacy: bool) -> Self {
        Self { call, legacy, id: None, model: None, drafts: Vec::new(), current: 0 }
    }

    /// The answer of one choice as JSON. See [`AnswerSink::identify`] for the id and the model.
    ///
    /// # Errors
    /// Only for what JSON cannot hold.
    pub fn finish(
        mut self,
        id: Option<&str>,
        model: Option<&str>,
        reason: FinishReason,
        usage: Option<Usage>,
    ) -> Result<String, Failure> {
        self.identify(id, model);
        self.end(reason, Map::new());
        self.complete(usage, None)
    }

    /// The answer as JSON, with what it cost and the tier that served it, in OpenAI's words. Choices stand in the
    /// order of their places. One that was never ended has stopped.
    ///
    /// # Errors
    /// Only for what JSON cannot hold.
    pub fn complete(self, usage: Option<Usage>, tier: Option<&str>) -> Result<String, Failure> {
        let id = self.id.unwrap_or_else(|| completion_id(self.call));
        let created = now();
        let mut choices: Vec<Choice> = Vec::with_capacity(self.drafts.len());
        for draft in self.drafts {
            let place = choices.partition_point(|other| other.index < Some(draft.choice));
            choices.insert(place, draft.finish(self.legacy, &id, created));
        }
        to_json(&ChatCompletion {
            id: Some(id.as_str().into()),
            object: Some("chat.completion".into()),
            created: Some(created),
            model: Some(self.model.as_deref().unwrap_or(&self.call.model).into()),
            choices: Some(choices),
            usage,
            service_tier: tier.map(Into::into),
            ..ChatCompletion::default()
        })
    }

    fn draft(&mut self) -> &mut Draft {
        if self.drafts.is_empty() {
            self.begin(0);
        }
        &mut self.drafts[self.current]
    }
}

impl Draft {
    fn finish(mut self, legacy: bool, id: &str, created: u64) -> Choice<'static> {
        let reason = finish_reason(self.reason.unwrap_or(FinishReason::Stop), self.calls.len(), legacy);
        let mut message = AnswerMessage::assistant();
        if !self.content.is_empty() || self.calls.is_empty() {
            message.content = Some(self.content.into());
        }
        message.reasoning_content = (!self.reasoning.is_empty()).then(|| self.reasoning.into());
        if legacy {
            message.function_call = self.calls.into_iter().next().and_then(|call| call.function);
        } else if !self.calls.is_empty() {
            message.tool_calls = Some(self.calls);
        }
        message.extra = self.fields;
        message.extra.append(&mut self.lists);
        if let Some(Value::String(refusal)) = message.extra.shift_remove("refusal") {
            message.refusal = Some(refusal.into());
        }
        if let Some(Value::Array(annotations)) = message.extra.shift_remove("annotations") {
            message.annotations = Some(annotations);
        }
        if !self.audio.is_empty() {
            let (id, data) = (("id", id.into()), ("data", self.audio.into()));
            let audio = object(vec![id, data, ("expires_at", created.into()), ("transcript", "".into())]);
            message.extra.insert("audio".to_owned(), audio.into());
        }
        let logprobs = (!self.logprobs.is_empty())
            .then(|| object(vec![("content", self.logprobs.into()), ("refusal", Value::Null)]).into());
        Choice { logprobs, extra: self.extra, ..Choice::new(self.choice, message, reason) }
    }
}

impl AnswerSink for WholeAnswer<'_> {
    fn identify(&mut self, id: Option<&str>, model: Option<&str>) {
        for (own, given) in [(&mut self.id, id), (&mut self.model, model)] {
            if own.is_none() {
                *own = given.filter(|given| !given.is_empty()).map(str::to_owned);
            }
        }
    }

    fn begin(&mut self, choice: u32) {
        let known = self.drafts.iter().position(|draft| draft.choice == choice);
        self.current = known.unwrap_or(self.drafts.len());
        if known.is_none() {
            self.drafts.push(Draft { choice, ..Draft::default() });
        }
    }

    fn text(&mut self, text: &str) {
        self.draft().content.push_str(text);
    }

    fn reasoning(&mut self, text: &str) {
        self.draft().reasoning.push_str(text);
    }

    fn start_call(&mut self, id: Option<&str>, name: &str) -> u32 {
        let id = given_or_made(id, &self.call.request_id, self.drafts.iter().map(|draft| draft.calls.len()).sum());
        let place = self.calls();
        self.draft().calls.push(ToolCall::function(id, name.to_owned(), String::new()));
        place
    }

    fn arguments(&mut self, call: u32, fragment: &str) {
        let function = self.draft().calls.get_mut(call as usize).and_then(|call| call.function.as_mut());
        if let Some(arguments) = function.and_then(|function| function.arguments.as_mut()) {
            arguments.0.to_mut().push_str(fragment);
        }
    }

    fn end_call(&mut self, call: u32) {
        let function = self.draft().calls.get_mut(call as usize).and_then(|call| call.function.as_mut());
        let arguments = function.and_then(|function| function.arguments.as_mut());
        if let Some(arguments) = arguments.filter(|arguments| arguments.trim().is_empty()) {
            *arguments = "{}".into();
        }
    }

    fn whole_call(&mut self, id: Option<&str>, name: &str, arguments: &str, extra: Map<String, Value>) {
        let place = self.start_call(id, name);
        self.arguments(place, arguments);
        self.end_call(place);
        if let Some(call) = self.draft().calls.last_mut() {
            call.extra = extra;
        }
    }

    fn element(&mut self, list: &'static str, mut element: Map<String, Value>) {
        let elements = self.draft().lists.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(elements) = elements {
            element.insert("index".to_owned(), elements.len().into());
            elements.push(element.into());
        }
    }

    fn fields(&mut self, fields: Map<String, Value>) {
        self.draft().fields.extend(fields);
    }

    fn audio(&mut self, data: &str) {
        self.draft().audio.push_str(data);
    }

    fn logprobs(&mut self, tokens: Vec<Value>) {
        self.draft().logprobs.extend(tokens);
    }

    fn end(&mut self, reason: FinishReason, extra: Map<String, Value>) {
        (0..self.calls()).for_each(|call| self.end_call(call));
        let draft = self.draft();
        (draft.reason, draft.extra) = (Some(reason), extra);
    }

    fn calls(&self) -> u32 {
        self.drafts.get(self.current).map_or(0, |draft| draft.calls.len()) as u32
    }

    fn characters(&self) -> usize {
        self.drafts.get(self.current).map_or(0, |draft| draft.content.chars().count())
    }
}
