//! Answers of Gemini's, whole or in events, as what they mean: one reader for both, because each event of a stream has
//! the form of a whole answer, whose parts are what is new.
//!
//! The end of a stream has no event of its own, and older models repeat `STOP` in every one: what ends an answer waits
//! for the end of the stream.

mod sources;

use serde_json::{Map, Value};
use weir_plugin::json::{compact, object, to_text};
use weir_plugin::openai::{AnswerSink, AnswerStream, EventReader, FinishReason, StreamedAnswer, WholeAnswer};
use weir_plugin::{Call, Event, Failure};

use crate::failure;
use crate::wire::{self, Candidate, Generated, Part};

/// The translation of one stream.
pub type Stream = AnswerStream<Reader>;

/// Where an answer goes.
type Sink<'s> = &'s mut dyn AnswerSink;

/// Translates the body of an answer with a 2xx status, be it one document or a list of what would have been events.
pub fn answer(call: &Call, body: &str) -> Result<String, Failure> {
    let (mut reader, mut sink) = (Reader::default(), WholeAnswer::new(call, false));
    reader.read(body, &mut sink)?;
    reader.close(&mut sink, |_| true);
    if reader.choices.is_empty() {
        return Err(Failure::bad_answer("The provider's answer holds nothing, and does not say why."));
    }
    let (usage, tier) = wire::usage(&reader.usage).unzip();
    sink.complete(usage, tier.flatten())
}

/// Reads an answer, in one piece or in many.
#[derive(Debug, Default)]
pub struct Reader {
    /// The answers so far.
    choices: Vec<Choice>,
    /// The choice that a blocked prompt gets if there is no other.
    blocked: Option<Choice>,
    /// What it cost so far, as it came. Empty if that is not known.
    usage: String,
    /// Whether the client's account knows what the prompt cost.
    has_told_usage: bool,
}

/// What is known of one answer so far.
#[derive(Debug, Default)]
struct Choice {
    /// Its place among those that were asked for.
    index: u32,
    /// Its text, which sources point into.
    text: String,
    /// What the model needs back with the text. The last one holds.
    signature: Option<String>,
    /// Why it ended, once that is known.
    reason: Option<String>,
    /// The same in words, if the words say more.
    words: Option<String>,
    /// Whether it stands for a prompt that was blocked.
    is_blocked: bool,
    /// Whether it calls a function or shows anything.
    has_more: bool,
    grounding: String,
    citations: Vec<String>,
}

weir_plugin::parkable!(struct Reader { choices, blocked, usage, has_told_usage });
weir_plugin::parkable!(struct Choice { index, text, signature, reason, words, is_blocked, has_more, grounding, citations });

impl Reader {
    /// Reads on. An error inside is the failure that it tells of.
    fn read(&mut self, body: &str, sink: Sink) -> Result<(), Failure> {
        for generated in wire::read(body)? {
            if let Some(error) = generated.error {
                return Err(failure::of(200, &format!(r#"{{"error":{}}}"#, error.get())));
            }
            self.take(&generated, sink);
        }
        match self.choices.as_slice() {
            [choice] if choice.is_malformed() => Err(choice.failure()),
            _ => Ok(()),
        }
    }

    fn take(&mut self, generated: &Generated, sink: Sink) {
        sink.identify(generated.response_id.as_deref(), generated.model_version.as_deref());
        if let Some(usage) = generated.usage_metadata {
            usage.get().clone_into(&mut self.usage);
        }
        if let Some(feedback) = generated.prompt_feedback.as_ref().filter(|feedback| !feedback["blockReason"].is_null())
        {
            let reason = Some(to_text(&feedback["blockReason"]).trim_matches('"').to_owned());
            let words = feedback["blockReasonMessage"].as_str().map(str::to_owned);
            self.blocked = Some(Choice { reason, words, is_blocked: true, ..Choice::default() });
        }
        for (place, candidate) in (0..).zip(generated.candidates.iter().flatten()) {
            let Some(candidate) = candidate else { continue };
            let index = candidate.index.unwrap_or(place);
            let known = self.choices.iter().position(|choice| choice.index == index);
            let at = known.unwrap_or_else(|| {
                self.choices.push(Choice { index, ..Choice::default() });
                self.choices.len() - 1
            });
            sink.begin(index);
            self.choices[at].read(candidate, sink);
        }
    }

    /// Tells what ends those choices that are to be ended. A prompt that was blocked has one that says so.
    fn close(&mut self, sink: Sink, ends: impl Fn(&Choice) -> bool) {
        self.choices.extend(self.blocked.take().filter(|_| self.choices.is_empty()));
        self.choices.iter().filter(|choice| ends(choice)).for_each(|choice| choice.close(sink));
    }
}

impl Choice {
    fn read(&mut self, candidate: &Candidate, sink: Sink) {
        let parts = candidate.content.as_ref().and_then(|content| content.parts.as_ref());
        parts.into_iter().flatten().flatten().for_each(|part| self.part(part, sink));
        if let Some(logprobs) = candidate.logprobs_result {
            sink.logprobs(sources::logprobs(logprobs.get()));
        }
        if let Some(reason) = candidate.finish_reason.map(wire::reason) {
            self.reason = Some(reason.to_owned());
            // Behind an ordinary end Gemini only says that it is one.
            self.words = candidate.finish_message.as_deref().filter(|_| reason != "STOP").map(str::to_owned);
        }
        if let Some(grounding) = candidate.grounding_metadata {
            grounding.get().clone_into(&mut self.grounding);
        }
        self.citations.extend(candidate.citation_metadata.map(|citations| citations.get().to_owned()));
    }

    fn part(&mut self, part: &Part, sink: Sink) {
        let signature = part.thought_signature.as_deref();
        let is_thought = part.thought == Some(true);
        self.has_more |= part.function_call.is_some() || part.inline_data.is_some();
        if let Some((function, name)) = part.function_call.as_ref().and_then(|call| Some((call, call.name.as_deref()?)))
        {
            let arguments = function.args.map_or_else(|| "{}".to_owned(), |args| compact(args.get()));
            sink.whole_call(function.id.as_deref(), name, &arguments, signed(signature));
        } else if let Some(blob) = &part.inline_data {
            let media_type = blob.mime_type.as_deref().unwrap_or_default();
            let data = blob.data.as_deref().unwrap_or_default();
            if media_type.starts_with("audio/") {
                sink.audio(data);
            } else if media_type.starts_with("image/") && !is_thought {
                let url = object(vec![("url", format!("data:{media_type};base64,{data}").into())]);
                let image = vec![("index", 0.into()), ("type", "image_url".into()), ("image_url", url.into())];
                let mut image = object(image);
                image.extend(signed(signature));
                sink.element("images", image);
            }
        } else {
            // Code that Google ran, tools that Google called, and their results, have neither text nor a place here.
            self.signature = signature.map(str::to_owned).or(self.signature.take());
            let text = part.text.as_deref().unwrap_or_default();
            if is_thought {
                sink.reasoning(text);
            } else {
                self.text.push_str(text);
                sink.text(text);
            }
        }
    }

    /// Whether the model tried to call a function, failed at it, and said nothing else.
    fn is_malformed(&self) -> bool {
        let is_empty = self.text.is_empty() && !self.has_more;
        is_empty && self.reason.as_deref() == Some("MALFORMED_FUNCTION_CALL")
    }

    /// What becomes of that: nobody can do anything with an empty answer, and the next one is a good one as a rule.
    fn failure(&self) -> Failure {
        let words = self.words.as_deref().unwrap_or("The model tried to call a function, and failed at it.");
        Failure { retryable: true, ..Failure::bad_answer(words) }.with_code("malformed_function_call")
    }

    /// Why it ended. Gemini has many reasons for answers that it withholds.
    fn finish_reason(&self) -> FinishReason {
        let reason = self.reason.as_deref().unwrap_or_default();
        let is_withheld = self.is_blocked || reason.starts_with("IMAGE_");
        if is_withheld { FinishReason::ContentFilter } else { FinishReason::from_upstream(reason) }
    }

    /// Tells what is known of a message when it is complete, and what the upstream itself says of the end.
    fn close(&self, sink: Sink) {
        sink.begin(self.index);
        let reason = self.finish_reason();
        let refusal = self.words.as_ref().filter(|_| reason == FinishReason::ContentFilter);
        let mut fields = object(refusal.map(|words| ("refusal", words.as_str().into())).into_iter().collect());
        fields.extend(sources::of(&self.text, &self.grounding, &self.citations));
        fields.extend(signed(self.signature.as_deref()));
        sink.fields(fields);
        let native = [("native_finish_reason", &self.reason), ("native_finish_message", &self.words)];
        let native = native.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?.into())));
        sink.end(reason, object(native.collect()));
    }
}

/// The `extra_content` that carries a thought signature to the client and back.
fn signed(signature: Option<&str>) -> Map<String, Value> {
    let Some(signature) = signature else { return Map::new() };
    let google = object(vec![("thought_signature", signature.into())]);
    object(vec![("extra_content", object(vec![("google", google.into())]).into())])
}

impl EventReader for Reader {
    fn event(&mut self, event: &Event, answer: &mut StreamedAnswer) -> Result<bool, Failure> {
        // `[DONE]` is not Gemini's, but some that speak its API end so.
        if matches!(event.data.trim(), "" | "[DONE]") {
            return Ok(false);
        }
        self.read(&event.data, answer)?;
        // What the prompt cost is to be counted even if the client leaves.
        if !self.has_told_usage
            && let Some((usage, _)) = wire::usage(&self.usage)
        {
            answer.usage(&usage, None);
            self.has_told_usage = true;
        }
        Ok(false)
    }

    /// An answer that does not say why it ended was cut off, which is for the host to find out.
    fn end(&mut self, answer: &mut StreamedAnswer) {
        self.close(answer, |choice| choice.reason.is_some());
        if let Some((usage, tier)) = wire::usage(&self.usage) {
            answer.usage(&usage, tier);
        }
    }
}
