//! Sources that stand beside an answer, with marks such as `[2]` in its text: told as annotations of the text as well,
//! which is where clients of the OpenAI API look for them.
//!
//! Documents are untyped here: they come from the typed views of the SDK, and a second copy of those would make the
//! component a fifth larger.

use serde_json::{Value, json};
use weir_plugin::dialect::Stream;
use weir_plugin::{Event, Failure, Progress, StreamDecoder, openai};

/// A whole answer with annotations for the marks in its text.
pub fn annotate(answer: String) -> Result<String, Failure> {
    let mut document: Value = serde_json::from_str(&answer).unwrap_or_default();
    let choices = document["choices"].as_array().map_or(0, Vec::len);
    for choice in 0..choices {
        let text = document["choices"][choice]["message"]["content"].as_str().unwrap_or_default();
        let annotations = annotations(text, &sources(&document));
        let message = &mut document["choices"][choice]["message"];
        if !annotations.is_empty() && message["annotations"].is_null() {
            message["annotations"] = annotations.into();
        }
    }
    openai::to_json(&document)
}

/// A stream whose last chunk brings the annotations.
#[derive(Debug)]
pub struct CitedStream {
    stream: Stream,
    cites: bool,
    /// The text so far.
    text: String,
}

weir_plugin::parkable!(struct CitedStream { stream, cites, text });

impl CitedStream {
    /// Without `cites`, this is the stream and no more.
    pub fn new(stream: Stream, cites: bool) -> Self {
        Self { stream, cites, text: String::new() }
    }

    fn chunk(&mut self, json: String) -> Result<String, Failure> {
        let mut chunk: Value = serde_json::from_str(&json).unwrap_or_default();
        let choice = &chunk["choices"][0];
        self.text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        if !choice["finish_reason"].is_string() {
            return Ok(json);
        }
        let mut annotations = annotations(&self.text, &sources(&chunk));
        if annotations.is_empty() {
            return Ok(json);
        }
        // Clients that join deltas want to know which elements belong together.
        for (index, annotation) in annotations.iter_mut().enumerate() {
            annotation["index"] = index.into();
        }
        chunk["choices"][0]["delta"]["annotations"] = annotations.into();
        openai::to_json(&chunk)
    }
}

impl StreamDecoder for CitedStream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let Progress { chunks, ended } = self.stream.push(events)?;
        let chunks = match self.cites {
            true => chunks.into_iter().map(|chunk| self.chunk(chunk)).collect::<Result<_, _>>()?,
            false => chunks,
        };
        Ok(Progress { chunks, ended })
    }

    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        self.stream.finish()
    }

    fn park(&self) -> Option<String> {
        weir_plugin::park(self)
    }
}

/// Address and title of each source, in the order of their numbers, which count from 1.
fn sources(document: &Value) -> Vec<(&str, &str)> {
    let lists = ["search_results", "citations"].into_iter().filter_map(|name| document.get(name)?.as_array());
    let mut sources = lists.map(|list| list.iter().filter_map(source).collect::<Vec<_>>());
    sources.find(|list| !list.is_empty()).unwrap_or_default()
}

fn source(source: &Value) -> Option<(&str, &str)> {
    let address = source.as_str().or_else(|| source.get("url")?.as_str())?;
    let title = source.get("title").and_then(Value::as_str).unwrap_or(address);
    Some((address, title))
}

/// An annotation for each mark in the text that has a source. Places count characters.
fn annotations(text: &str, sources: &[(&str, &str)]) -> Vec<Value> {
    let mut annotations = Vec::new();
    if sources.is_empty() {
        return annotations;
    }
    let mut start = 0;
    for piece in text.split_inclusive(']') {
        let length = piece.chars().count();
        let mark = piece.rfind('[').map(|open| &piece[open..]);
        let number = mark.and_then(|mark| mark.strip_prefix('[')?.strip_suffix(']')?.parse::<usize>().ok());
        if let Some((url, title)) = number.and_then(|number| sources.get(number.checked_sub(1)?)) {
            let from = start + length - mark.map_or(0, |mark| mark.chars().count());
            let citation = json!({"url": url, "title": title, "start_index": from, "end_index": start + length});
            annotations.push(json!({"type": "url_citation", "url_citation": citation}));
        }
        start += length;
    }
    annotations
}
