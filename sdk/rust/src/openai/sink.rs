//! An answer told piece by piece, of which a whole answer or the chunks of a stream are made.
//!
//! Upstreams tell the same things in whole answers and in streams, mostly in the same shapes. A plugin that reads both
//! with one function hands what it finds to an [`AnswerSink`]: a [`WholeAnswer`] gathers it, a [`StreamedAnswer`] makes
//! chunks of it at once. Both keep the grammar that clients rely on: who speaks comes first and once, each call has
//! its own place and an id, a call without arguments has `{}`, and calls decide the finish reason. An answer has one
//! choice unless [`AnswerSink::begin`] says otherwise.

mod streamed;
mod whole;

use serde_json::{Map, Value};

pub use self::streamed::StreamedAnswer;
pub use self::whole::WholeAnswer;
use super::FinishReason;
use super::citations::url_citation;
use super::identity::tool_call_id_of;
use crate::json::object;

/// Takes an answer in pieces. See the [whole](WholeAnswer) and the [streamed](StreamedAnswer) one.
pub trait AnswerSink {
    /// The id and the model that the upstream gives. Without them an id is made, and the model is that of the call.
    /// The first ones count, and in a stream they have to come before the first chunk: all have the same.
    fn identify(&mut self, id: Option<&str>, model: Option<&str>);

    /// Says that what follows belongs to this one of the `n` answers. Without it, all belongs to the first.
    fn begin(&mut self, choice: u32);

    /// More text.
    fn text(&mut self, text: &str);

    /// More of what the model thinks.
    fn reasoning(&mut self, text: &str);

    /// The begin of a tool call. Returns its place among the calls, from 0. An id is made if there is none.
    fn start_call(&mut self, id: Option<&str>, name: &str) -> u32;

    /// More of the arguments of a call: a piece of a JSON text.
    fn arguments(&mut self, call: u32, fragment: &str);

    /// The end of a call. One without arguments gets `{}`. What is not ended, the end of the answer ends.
    fn end_call(&mut self, call: u32);

    /// A call in one piece, with fields of the upstream's own. A stream tells it in one chunk.
    fn whole_call(&mut self, id: Option<&str>, name: &str, arguments: &str, extra: Map<String, Value>);

    /// One more element of a list in the message: of `annotations`, `thinking_blocks` or another extension. It gets
    /// its place in the list as `index`, which client libraries merge the lists of several chunks by.
    fn element(&mut self, list: &'static str, element: Map<String, Value>);

    /// Fields of the message that are known as a whole. `refusal` and `annotations` may be among them.
    fn fields(&mut self, fields: Map<String, Value>);

    /// More sound, in base64.
    fn audio(&mut self, data: &str);

    /// Probabilities of tokens, each in the form of OpenAI's `logprobs.content`.
    fn logprobs(&mut self, tokens: Vec<Value>);

    /// The end of this choice, with fields of the upstream's own.
    fn end(&mut self, reason: FinishReason, extra: Map<String, Value>);

    /// How many calls there are so far in this choice.
    fn calls(&self) -> u32;

    /// How much text there is so far in this choice, in characters.
    fn characters(&self) -> usize;
}

/// What is said in the words of the others: outside the trait, so that a component has it once, if at all.
impl dyn AnswerSink + '_ {
    /// One more source on the web that the answer cites, as an annotation of OpenAI's. `start` and `end` are places in
    /// the text, in characters.
    pub fn url_citation(&mut self, start: u64, end: u64, url: &str, title: &str) {
        self.element("annotations", url_citation(start, end, url, title));
    }

    /// One more source without an address, as it came, as an element of the extension `citations`. `place` as above.
    pub fn citation(&mut self, place: Option<(u64, u64)>, citation: Value) {
        let mut fields = Vec::with_capacity(3);
        if let Some((start, end)) = place {
            fields.extend([("start_index", start.into()), ("end_index", end.into())]);
        }
        fields.push(("citation", citation));
        self.element("citations", object(fields));
    }
}

/// The reason that clients expect: calls decide, unless the answer was cut off or blocked.
fn finish_reason(reason: FinishReason, calls: usize, legacy: bool) -> FinishReason {
    match reason {
        FinishReason::Length | FinishReason::ContentFilter => reason,
        _ if calls > 0 && legacy => FinishReason::FunctionCall,
        _ if calls > 0 => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    }
}

/// The id of a call. `place` is its place among the calls of all choices.
fn given_or_made(id: Option<&str>, request_id: &str, place: usize) -> String {
    id.filter(|id| !id.is_empty()).map_or_else(|| tool_call_id_of(request_id, place as u32), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::openai::Usage;
    use crate::{Call, Operation};

    fn call() -> Call {
        Call {
            operation: Operation::Chat,
            model: "m".to_owned(),
            stream: true,
            include_usage: true,
            request_id: "r".to_owned(),
            headers: Vec::new(),
        }
    }

    /// The whole answer and the deltas of the streamed one that `tell` makes.
    fn told(legacy: bool, reason: FinishReason, tell: impl Fn(&mut dyn AnswerSink)) -> (Value, Vec<Value>) {
        let call = call();
        let mut whole = WholeAnswer::new(&call, legacy);
        tell(&mut whole);
        let whole = whole.finish(Some("id"), None, reason, Some(Usage::new(1, 2))).unwrap();
        let mut streamed = StreamedAnswer::new(call.clone(), legacy);
        streamed.identify(Some("id"), None);
        tell(&mut streamed);
        streamed.finish(reason, Some(&Usage::new(1, 2)));
        let chunks = streamed.take().into_iter().map(|chunk| serde_json::from_str(&chunk).unwrap());
        (serde_json::from_str(&whole).unwrap(), chunks.collect())
    }

    #[test]
    fn an_answer_says_the_same_whole_and_streamed() {
        let (whole, chunks) = told(false, FinishReason::Stop, |sink| {
            sink.reasoning("hm");
            sink.text("é");
            sink.text("!");
            sink.url_citation(0, 1, "u", "t");
            sink.citation(Some((1, 2)), json!("c"));
            sink.logprobs(vec![json!({"token": "é", "logprob": -0.5})]);
            assert_eq!((sink.characters(), sink.calls()), (2, 0));
        });
        let message = &whole["choices"][0]["message"];
        assert_eq!(whole["id"], "id");
        assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("é!"), &json!("hm")));
        assert_eq!(message["annotations"][0]["index"], 0);
        assert_eq!(message["citations"], json!([{"start_index": 1, "end_index": 2, "citation": "c", "index": 0}]));
        assert_eq!(whole["choices"][0]["logprobs"]["content"][0]["token"], "é");
        assert_eq!(whole["choices"][0]["finish_reason"], "stop");
        let deltas: Vec<_> = chunks.iter().filter_map(|chunk| chunk["choices"][0].get("delta")).collect();
        let place = json!({"start_index": 0, "end_index": 1, "title": "t", "url": "u"});
        let source = json!([{"type": "url_citation", "url_citation": place, "index": 0}]);
        let expected = [
            json!({"role": "assistant", "content": "", "refusal": null}),
            json!({"reasoning_content": "hm"}),
            json!({"content": "é"}),
            json!({"content": "!"}),
            json!({"annotations": source}),
            json!({"citations": [{"start_index": 1, "end_index": 2, "citation": "c", "index": 0}]}),
            json!({}),
            json!({}),
        ];
        assert_eq!(deltas, expected.iter().collect::<Vec<_>>());
        assert_eq!(chunks.last().unwrap()["usage"]["total_tokens"], 3);
    }

    #[test]
    fn calls_get_what_they_lack_and_decide_the_reason() {
        let tell = |sink: &mut dyn AnswerSink| {
            let first = sink.start_call(None, "a");
            let second = sink.start_call(Some("given"), "b");
            sink.arguments(second, "{\"x\"");
            sink.arguments(second, ":1}");
            sink.end_call(first);
        };
        let (whole, chunks) = told(false, FinishReason::Stop, tell);
        let calls = json!([
            {"id": "call_r_0", "type": "function", "function": {"name": "a", "arguments": "{}"}},
            {"id": "given", "type": "function", "function": {"name": "b", "arguments": "{\"x\":1}"}}]);
        assert_eq!(whole["choices"][0]["message"]["tool_calls"], calls);
        assert_eq!(whole["choices"][0]["message"]["content"], Value::Null);
        assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
        let pieces = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].get(0));
        let pieces: Vec<_> = pieces.map(|piece| (&piece["index"], &piece["function"]["arguments"])).collect();
        let expected =
            [(0, ""), (1, ""), (1, "{\"x\""), (1, ":1}"), (0, "{}")].map(|(i, text)| (json!(i), json!(text)));
        assert_eq!(pieces, expected.iter().map(|(index, text)| (index, text)).collect::<Vec<_>>());

        let (whole, chunks) = told(true, FinishReason::Length, tell);
        assert_eq!(whole["choices"][0]["message"]["function_call"], json!({"name": "a", "arguments": "{}"}));
        assert_eq!(whole["choices"][0]["finish_reason"], "length");
        let pieces: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["function_call"]).collect();
        assert!(
            pieces.contains(&&json!({"name": "a", "arguments": ""})) && pieces.contains(&&json!({"arguments": "{}"}))
        );
        assert!(chunks.iter().all(|chunk| chunk["choices"][0]["delta"].get("tool_calls").is_none()));
    }

    #[test]
    fn several_choices_are_told_by_turns_and_each_has_its_own_calls() {
        let call = call();
        let tell = |sink: &mut dyn AnswerSink| {
            for (choice, text) in [(1, "b"), (0, "a"), (1, "B")] {
                sink.begin(choice);
                sink.text(text);
            }
            let extra = Map::from_iter([("own".to_owned(), json!(7))]);
            sink.whole_call(None, "look", " ", extra.clone());
            sink.fields(Map::from_iter([("refusal".to_owned(), "no".into())]));
            sink.audio("AAAA");
            sink.end(FinishReason::Stop, extra);
            sink.begin(0);
            sink.whole_call(None, "look", "{\"x\":1}", Map::new());
        };
        let mut whole = WholeAnswer::new(&call, false);
        tell(&mut whole);
        let whole: Value = serde_json::from_str(&whole.complete(None, Some("flex")).unwrap()).unwrap();
        let [first, second] = [0, 1].map(|choice| &whole["choices"][choice]);
        assert_eq!((&first["message"]["content"], &second["message"]["content"]), (&json!("a"), &json!("bB")));
        assert_eq!((&first["finish_reason"], &second["own"]), (&json!("tool_calls"), &json!(7)));
        let looks = json!([{"id": "call_r_0", "type": "function", "function": {"name": "look", "arguments": "{}"},
            "own": 7}]);
        assert_eq!(second["message"]["tool_calls"], looks);
        assert_eq!(first["message"]["tool_calls"][0]["id"], "call_r_1");
        assert_eq!((&second["message"]["refusal"], &whole["service_tier"]), (&json!("no"), &json!("flex")));
        assert_eq!(second["message"]["audio"]["data"], "AAAA");

        let mut streamed = StreamedAnswer::new(call, false);
        tell(&mut streamed);
        let chunks: Vec<Value> = streamed.take().iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
        let told = chunks.iter().map(|chunk| {
            let choice = &chunk["choices"][0];
            let field = choice["delta"].as_object().unwrap().keys().next().map_or("", String::as_str);
            (choice["index"].as_u64().unwrap(), field)
        });
        let expected = [
            (1, "role"),
            (1, "content"),
            (0, "role"),
            (0, "content"),
            (1, "content"),
            (1, "tool_calls"),
            (1, "refusal"),
            (1, "audio"),
            (1, ""),
            (0, "tool_calls"),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        assert_eq!(chunks[5]["choices"][0]["delta"]["tool_calls"][0]["index"], 0);
        assert_eq!(chunks[8]["choices"][0]["finish_reason"], "tool_calls");
    }
}
