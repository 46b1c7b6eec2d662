//! The calls to one plugin, and their time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use weir::plugin::{Call, Encoded, Event, Operation, ProviderPlugin, ResponseHead, StreamDecoder};

use super::golden::Golden;
use super::loaded::Loaded;
use super::requests;
use super::table::{Figure, Table};

const SMALL: usize = 1_000;
const LARGE: usize = 50_000;
/// Events of a stream that is timed.
const EVENTS: usize = 1_000;
/// Events of a batch, where they come in batches: as many as lie in a few kilobytes that arrived together.
const BATCH: usize = 10;

/// A plugin and the documents that it is asked to translate.
pub struct Subject {
    /// The plugin's name.
    pub name: String,
    plugin: Arc<ProviderPlugin>,
    id: Arc<str>,
    call: Call,
    carry: Option<String>,
    small: String,
    large: String,
    answer: Option<Answer>,
    stream: Option<Stream>,
}

/// An answer, and the golden case that it is made of.
struct Answer {
    case: String,
    body: String,
}

/// A stream that goes on for as long as is wanted.
struct Stream {
    case: String,
    /// What comes before the text.
    start: Vec<Event>,
    /// A piece of text.
    piece: Event,
}

impl Subject {
    /// Finds documents for the plugin, and makes sure that it makes of them what it should.
    pub async fn prepare(name: String, loaded: Loaded, golden: &Golden) -> Result<Self> {
        let call = Call {
            operation: Operation::Chat,
            model: String::new(),
            stream: false,
            include_usage: true,
            request_id: "bench".to_owned(),
            headers: Vec::new(),
        };
        let mut subject = Self {
            name,
            plugin: loaded.plugin,
            id: "bench".into(),
            call,
            carry: None,
            small: String::new(),
            large: String::new(),
            answer: None,
            stream: None,
        };
        subject.choose_model(golden).await?;
        subject.choose_answer(golden).await;
        subject.choose_stream(golden).await;
        let cases =
            [subject.answer.as_ref().map(|answer| &answer.case), subject.stream.as_ref().map(|stream| &stream.case)];
        eprintln!(
            "bench: {} is measured with {}",
            subject.name,
            cases.map(|case| case.map_or("nothing", |case| case)).join(" and ")
        );
        Ok(subject)
    }

    /// Takes the time of everything once.
    pub async fn measure(&self, table: &mut Table) -> Result<()> {
        table.add(&self.name, Figure::EncodeSmall, self.time(2_000, || self.encode(&self.small)).await?);
        table.add(&self.name, Figure::EncodeLarge, self.time(100, || self.encode(&self.large)).await?);
        if let Some(answer) = &self.answer {
            table.add(&self.name, Figure::Decode, self.time(2_000, || self.decode(&answer.body)).await?);
        }
        if let Some(stream) = &self.stream {
            for (figure, batch) in [(Figure::Event, 1), (Figure::BatchedEvent, BATCH)] {
                table.add(&self.name, figure, self.time_stream(stream, batch, EVENTS).await? / EVENTS as f64);
            }
            table.add(&self.name, Figure::Floor, self.time_stream(stream, 0, EVENTS).await? / EVENTS as f64);
        }
        Ok(())
    }

    /// The mean time of a call, in microseconds.
    async fn time<T>(&self, calls: usize, call: impl AsyncFn() -> Result<T>) -> Result<f64> {
        let begun = processor_time();
        for _ in 0..calls {
            call().await?;
        }
        Ok(microseconds(processor_time() - begun) / calls as f64)
    }

    /// The time for so many events of one stream, in microseconds. In batches of none, for as many calls.
    async fn time_stream(&self, stream: &Stream, batch: usize, events: usize) -> Result<f64> {
        let mut decoder = self.open().await?;
        decoder.push(&stream.start).await.map_err(failed)?;
        let batches = vec![stream.piece.clone(); batch];
        let begun = processor_time();
        for _ in 0..events / batch.max(1) {
            decoder.push(&batches).await.map_err(failed)?;
        }
        let elapsed = microseconds(processor_time() - begun);
        decoder.close().await;
        Ok(elapsed)
    }

    async fn encode(&self, document: &str) -> Result<Encoded> {
        self.plugin.encode(&self.id, &self.call, document).await.map_err(failed)
    }

    async fn decode(&self, body: &str) -> Result<String> {
        let head = head();
        let decoded = self.plugin.decode(&self.id, &self.call, self.carry.as_deref(), &head, body);
        decoded.await.map_err(failed)
    }

    async fn open(&self) -> Result<StreamDecoder> {
        let (call, head) = (Call { stream: true, ..self.call.clone() }, head());
        let decoder = self.plugin.stream(&self.id, &call, self.carry.as_deref(), &head, None);
        decoder.await.map_err(failed)
    }

    /// The first model of the cases that the plugin takes both requests for.
    async fn choose_model(&mut self, golden: &Golden) -> Result<()> {
        for model in golden.models() {
            self.small = requests::chat(&model, SMALL);
            self.large = requests::chat(&model, LARGE);
            self.call.model = model;
            if self.encode(&self.large).await.is_err() {
                continue;
            }
            match self.encode(&self.small).await {
                Ok(Encoded::Send(request)) => {
                    self.carry = request.carry;
                    return Ok(());
                }
                Ok(Encoded::Answer(_)) => return Ok(()),
                _ => {}
            }
        }
        bail!("it encodes a plain chat for no model of its cases")
    }

    /// The answers that are text alone, each with so much text that it has the size that is wanted; of these the one
    /// in the middle by what is around its text, as there are bare and strange ones among the cases.
    async fn choose_answer(&mut self, golden: &Golden) {
        let mut answers = Vec::new();
        for (case, answer) in golden.answers() {
            let short = answer.to_string();
            let Some(text) = self.text_of(&short).await else { continue };
            let mut longer = answer.clone();
            let Some(place) = longest(&mut longer, &text) else { continue };
            let words = requests::words(1, SMALL.saturating_sub(short.len()) * 9 / 10);
            place.push_str(&words);
            let body = longer.to_string();
            if self.text_of(&body).await.is_some_and(|text| text.contains(&words)) {
                answers.push((short.len() - text.len().min(short.len()), Answer { case: case.to_owned(), body }));
            }
        }
        self.answer = middle(answers);
    }

    /// The text of an answer, if the plugin finds that and nothing else in it.
    async fn text_of(&self, body: &str) -> Option<String> {
        let document: Value = serde_json::from_str(&self.decode(body).await.ok()?).ok()?;
        let choice = document.get("choices")?.get(0)?;
        is_plain(choice, "message").then(|| choice["message"]["content"].as_str().map(str::to_owned)).flatten()
    }

    /// The streams that are text alone, each with the longest of its pieces; of these the one in the middle by that.
    async fn choose_stream(&mut self, golden: &Golden) {
        let mut streams = Vec::new();
        for (case, events) in golden.streams() {
            let Ok(pieces) = self.pieces(events).await else { continue };
            let Some(first) = pieces.first() else { continue };
            let Some(longest) = pieces.iter().max_by_key(|place| events[**place].data.len()) else { continue };
            let (start, piece) = (events[..=*first].to_vec(), events[*longest].clone());
            let stream = Stream { case: case.to_owned(), start, piece };
            if self.goes_on(&stream).await.is_ok() {
                streams.push((stream.piece.data.len(), stream));
            }
        }
        self.stream = middle(streams);
    }

    /// The places of the events that each become one chunk with text, in a stream that has no other content.
    async fn pieces(&self, events: &[Event]) -> Result<Vec<usize>> {
        let mut decoder = self.open().await?;
        let mut pieces = Vec::new();
        for (place, event) in events.iter().enumerate() {
            let progress = decoder.push(std::slice::from_ref(event)).await.map_err(failed)?;
            for chunk in &progress.chunks {
                let chunk: Value = serde_json::from_str(chunk)?;
                let choice = &chunk["choices"][0];
                ensure!(is_plain(choice, "delta"), "more than text");
                let is_text = choice["delta"]["content"].as_str().is_some_and(|text| !text.is_empty());
                if is_text && choice["finish_reason"].is_null() && progress.chunks.len() == 1 {
                    pieces.push(place);
                }
            }
            if progress.ended {
                break;
            }
        }
        Ok(pieces)
    }

    /// Whether each repetition of the piece becomes a chunk.
    async fn goes_on(&self, stream: &Stream) -> Result<()> {
        let mut decoder = self.open().await?;
        decoder.push(&stream.start).await.map_err(failed)?;
        for _ in 0..3 {
            let progress = decoder.push(&vec![stream.piece.clone(); BATCH]).await.map_err(failed)?;
            ensure!(progress.chunks.len() == BATCH, "the stream does not go on");
        }
        Ok(())
    }
}

/// The one in the middle by its size.
fn middle<T>(mut sized: Vec<(usize, T)>) -> Option<T> {
    sized.sort_by_key(|(size, _)| *size);
    let middle = sized.len() / 2;
    sized.into_iter().nth(middle).map(|(_, item)| item)
}

fn head() -> ResponseHead {
    ResponseHead { status: 200, headers: Vec::new() }
}

/// Whether the message or delta of a choice has text and nothing else that has to be made of something.
fn is_plain(choice: &Value, name: &str) -> bool {
    let others = ["tool_calls", "reasoning_content", "thinking_blocks", "annotations", "citations", "refusal"];
    choice["logprobs"].is_null() && others.iter().all(|other| choice[name][*other].is_null())
}

/// The longest string in a document that is part of the text.
fn longest<'a>(document: &'a mut Value, text: &str) -> Option<&'a mut String> {
    match document {
        Value::String(string) => (!string.is_empty() && text.contains(string.as_str())).then_some(string),
        Value::Array(values) => longest_of(values.iter_mut(), text),
        Value::Object(fields) => longest_of(fields.values_mut(), text),
        _ => None,
    }
}

fn longest_of<'a>(values: impl Iterator<Item = &'a mut Value>, text: &str) -> Option<&'a mut String> {
    values.filter_map(|value| longest(value, text)).max_by_key(|string| string.len())
}

fn failed(error: weir::plugin::CallError) -> anyhow::Error {
    anyhow!("a call failed: {error:?}")
}

/// The processor time of this thread, which is the one that guests run on.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A time in microseconds.
pub fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
