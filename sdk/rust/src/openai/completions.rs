//! Completions, as they were before chats: what a client asks for, and what it gets.

use serde_json::Value;

use super::{ChatRequest, EmbeddingInput, FinishReason, Stop, StreamOptions, Text, Usage, completion_id};
use crate::{Call, Failure};

crate::document! {
    /// The body of `POST /v1/completions`.
    pub struct CompletionRequest<'a> {
        /// The model, as the client named it. [`crate::Call::model`] is the upstream's name.
        model: Text<'a>,
        /// What to go on with: one text, several, or the numbers of tokens, as the input of embeddings.
        prompt: EmbeddingInput<'a>,
        /// What comes after the gap that is to be filled.
        suffix: Text<'a>,
        /// How many tokens the text may have.
        max_tokens: u64,
        /// From 0 to 2.
        temperature: f64,
        /// From 0 to 1.
        top_p: f64,
        /// How many texts are wanted.
        n: u64,
        /// Out of how many the best ones are to be taken.
        best_of: u64,
        /// Whether the prompt is to be repeated in front of the text.
        echo: bool,
        /// Texts that end the text.
        stop: Stop<'a>,
        /// Whether the text is to be streamed.
        stream: bool,
        /// Options of a streamed text.
        stream_options: StreamOptions,
        /// How many alternatives for each token are to come with their probabilities.
        logprobs: u64,
        /// From -2 to 2.
        presence_penalty: f64,
        /// From -2 to 2.
        frequency_penalty: f64,
        /// Makes sampling repeatable.
        seed: i64,
        /// Whose request it is.
        user: Text<'a>,
    }

    /// The answer, and each chunk of it. See [`Completion::new`].
    pub struct Completion<'a> {
        /// The answer's id: the same in all its chunks.
        id: Text<'a>,
        /// `text_completion`.
        object: Text<'a>,
        /// When it was made, in seconds since 1970: the same in all its chunks.
        created: u64,
        /// The model that answered: the same in all its chunks.
        model: Text<'a>,
        /// One for each of the `n` texts. Empty in the usage chunk.
        choices: Vec<CompletionChoice<'a>>,
        /// What it cost.
        usage: Usage,
    }

    /// One text, or more of it.
    pub struct CompletionChoice<'a> {
        /// The text, or more of it.
        text: Text<'a>,
        /// Its place among the `n`, from 0.
        index: u32,
        /// Token probabilities, in the form before chats.
        logprobs: Value = null,
        /// Why it ended: one of [`super::FinishReason`]. `null` in all chunks but the last.
        finish_reason: Text<'a> = null,
    }
}

impl<'a> CompletionRequest<'a> {
    /// What it says beside the prompt, as a chat request without messages: both have the same parameters. What only
    /// completions have is in `extra` if it asks for something: `best_of`, `echo` and `logprobs`.
    pub fn parameters(&mut self) -> ChatRequest<'a> {
        let mut extra = std::mem::take(&mut self.extra);
        let own = [
            ("best_of", self.best_of.filter(|count| *count > 1).map(Value::from)),
            ("echo", self.echo.filter(|echo| *echo).map(Value::from)),
            ("logprobs", self.logprobs.map(Value::from)),
        ];
        extra.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        ChatRequest {
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            n: self.n,
            stop: self.stop.take(),
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            seed: self.seed,
            extra,
            ..ChatRequest::default()
        }
    }

    /// The prompt, for an upstream that takes one text at a time.
    ///
    /// # Errors
    /// If there is none, or several, or if it is made of token numbers.
    pub fn only_prompt(&self) -> Result<&str, Failure> {
        let Some(prompt) = &self.prompt else {
            return Err(Failure::invalid_field("prompt", "A completion needs a 'prompt'."));
        };
        match prompt.texts().as_deref() {
            Some([only]) => Ok(only),
            Some(_) => Err(Failure::unsupported("prompt", "This provider takes one prompt at a time.")),
            None => Err(Failure::invalid_field(
                "prompt",
                "This provider takes a prompt as text, not as the numbers of tokens.",
            )),
        }
    }
}

impl<'a> Completion<'a> {
    /// An answer or a chunk without choices so far. All chunks of an answer need the same `created` and `model`.
    pub fn new(call: &Call, created: u64, model: impl Into<Text<'a>>) -> Self {
        Self {
            id: Some(completion_id(call).replacen("chatcmpl", "cmpl", 1).into()),
            object: Some("text_completion".into()),
            created: Some(created),
            model: Some(model.into()),
            choices: Some(Vec::new()),
            ..Default::default()
        }
    }

    /// The same with one more text, whose end this is if there is a reason.
    #[must_use]
    pub fn with(mut self, text: impl Into<Text<'a>>, finish_reason: Option<FinishReason>) -> Self {
        let choices = self.choices.get_or_insert_default();
        choices.push(CompletionChoice {
            text: Some(text.into()),
            index: u32::try_from(choices.len()).ok(),
            finish_reason: finish_reason.map(|reason| reason.as_str().into()),
            ..Default::default()
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Completion, CompletionRequest};
    use crate::openai::FinishReason;
    use crate::{Call, FailureKind, Operation};

    #[test]
    fn one_prompt_is_taken_in_whichever_form_it_comes_and_others_are_refused() {
        let cases = [
            (json!({"prompt": "a"}), Ok("a")),
            (json!({"prompt": ["a"]}), Ok("a")),
            (json!({"prompt": ["a", "b"]}), Err(FailureKind::Unsupported)),
            (json!({"prompt": [1, 2]}), Err(FailureKind::InvalidRequest)),
            (json!({"prompt": [[1, 2]]}), Err(FailureKind::InvalidRequest)),
            (json!({}), Err(FailureKind::InvalidRequest)),
        ];
        for (document, expected) in cases {
            let document = document.to_string();
            let request: CompletionRequest = serde_json::from_str(&document).unwrap();
            assert_eq!(request.only_prompt().map_err(|failure| failure.kind), expected, "{document}");
        }
    }

    #[test]
    fn the_parameters_are_those_of_a_chat() {
        let document = r#"{"prompt":"a","max_tokens":5,"stop":"x","seed":0,"best_of":2,"echo":false,"top_k":3}"#;
        let mut request: CompletionRequest = serde_json::from_str(document).unwrap();
        let parameters = serde_json::to_value(request.parameters()).unwrap();
        assert_eq!(parameters, json!({"max_tokens": 5, "stop": "x", "seed": 0, "top_k": 3, "best_of": 2}));
    }

    #[test]
    fn an_answer_has_all_that_clients_expect() {
        let call = Call {
            operation: Operation::Completions,
            model: "m".to_owned(),
            stream: false,
            include_usage: false,
            request_id: "r1".to_owned(),
            headers: Vec::new(),
        };
        let answer = Completion::new(&call, 7, "m").with("x", Some(FinishReason::Length)).with("y", None);
        let expected = json!({"id": "cmpl-r1", "object": "text_completion", "created": 7, "model": "m", "choices": [
            {"text": "x", "index": 0, "logprobs": null, "finish_reason": "length"},
            {"text": "y", "index": 1, "logprobs": null, "finish_reason": null}]});
        assert_eq!(serde_json::to_value(&answer).unwrap(), expected);
    }
}
