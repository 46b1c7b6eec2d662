//! What an answer rests on: sources of searches and recitations as annotations, and token probabilities.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// The fields `annotations` and `citations` of a message with this text: sources that have an address, and others.
pub fn of(text: &str, grounding: Option<&RawValue>, recited: &[Box<RawValue>]) -> Map<String, Value> {
    let mut sources = Sources::default();
    if let Some(grounding) = grounding {
        sources.ground(text, &parse(grounding));
    }
    for metadata in recited {
        let metadata = parse(metadata);
        // The Gemini API and Vertex AI call the same list differently.
        for citation in list(&metadata, "citationSources").iter().chain(list(&metadata, "citations")) {
            sources.add(citation, citation, span(text, citation));
        }
    }
    let fields = [("annotations", sources.annotations), ("citations", sources.others)];
    let fields = fields.into_iter().filter(|(_, list)| !list.is_empty());
    fields.map(|(name, list)| (name.to_owned(), Value::Array(list))).collect()
}

#[derive(Default)]
struct Sources {
    annotations: Vec<Value>,
    others: Vec<Value>,
}

impl Sources {
    fn ground(&mut self, text: &str, grounding: &Value) {
        let chunks = list(grounding, "groundingChunks");
        let supports = list(grounding, "groundingSupports");
        let mut add = |chunk: &Value, span| {
            let kinds = ["web", "maps", "retrievedContext", "image"];
            let source = kinds.into_iter().find_map(|kind| chunk.get(kind)).unwrap_or(chunk);
            self.add(source, chunk, span);
        };
        for support in supports {
            let span = span(text, &support["segment"]);
            let places = list(support, "groundingChunkIndices").iter().filter_map(Value::as_u64);
            let chunks = places.filter_map(|place| chunks.get(usize::try_from(place).ok()?));
            chunks.for_each(|chunk| add(chunk, span));
        }
        // Nobody says what these are about: then they are about everything.
        if supports.is_empty() {
            chunks.iter().for_each(|chunk| add(chunk, (0, text.chars().count())));
        }
    }

    /// Adds a source of the text between two positions, in characters. `whole` is what is shown of one without an
    /// address. Each element has an `index`, by which client libraries merge the lists of several deltas.
    fn add(&mut self, source: &Value, whole: &Value, (start, end): (usize, usize)) {
        match source["uri"].as_str().or(source["sourceUri"].as_str()) {
            Some(url) => {
                let title = source["title"].as_str().unwrap_or(url);
                let citation = json!({ "start_index": start, "end_index": end, "title": title, "url": url });
                if self.annotations.iter().all(|other| other["url_citation"] != citation) {
                    let index = self.annotations.len();
                    let kind = "url_citation";
                    self.annotations.push(json!({ "index": index, "type": kind, "url_citation": citation }));
                }
            }
            None => {
                let index = self.others.len();
                self.others.push(json!({ "index": index, "start_index": start, "end_index": end, "citation": whole }));
            }
        }
    }
}

/// Where a segment lies in the text, in characters. Gemini counts bytes, and from the start of a part that may not be
/// the first: where the segment's own text is found counts more than where it is said to be.
fn span(text: &str, segment: &Value) -> (usize, usize) {
    let position = |name: &str| segment[name].as_u64().and_then(|position| usize::try_from(position).ok());
    let start = position("startIndex").unwrap_or(0).min(text.len());
    let end = position("endIndex").unwrap_or(text.len()).min(text.len());
    let characters = |bytes: usize| text.char_indices().take_while(|(at, _)| *at < bytes).count();
    let found = segment["text"].as_str().and_then(|said| {
        let behind = text.get(start..).and_then(|rest| rest.find(said)).map(|found| start + found);
        behind.or_else(|| text.find(said)).map(|found| (found, found + said.len()))
    });
    let (start, end) = found.unwrap_or((start, end.max(start)));
    (characters(start), characters(end))
}

/// Gemini's token probabilities as elements of `logprobs.content`.
pub fn logprobs(result: &RawValue) -> Vec<Value> {
    let result = parse(result);
    let token = |candidate: &Value| {
        let logprob = candidate["logProbability"].as_f64().unwrap_or(0.0);
        json!({ "token": candidate["token"].as_str().unwrap_or_default(), "logprob": logprob, "bytes": null })
    };
    let alternatives = list(&result, "topCandidates");
    let chosen = list(&result, "chosenCandidates").iter().enumerate();
    chosen
        .map(|(place, candidate)| {
            let mut chosen = token(candidate);
            let alternatives = alternatives.get(place).map(|top| list(top, "candidates")).unwrap_or_default();
            chosen["top_logprobs"] = alternatives.iter().map(token).collect();
            chosen
        })
        .collect()
}

fn parse(json: &RawValue) -> Value {
    serde_json::from_str(json.get()).unwrap_or_default()
}

fn list<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_in_characters_wherever_they_are_said_to_be() {
        let text = "Grüße. Paris is nice.";
        let cases = [
            (json!({"endIndex": 8, "text": "Grüße."}), (0, 6)),
            (json!({"startIndex": 9, "endIndex": 23, "text": "Paris is nice."}), (7, 21)),
            (json!({"startIndex": 0, "endIndex": 14, "partIndex": 1, "text": "Paris is nice."}), (7, 21)),
            (json!({"startIndex": 15, "text": "i"}), (13, 14)),
            (json!({"startIndex": 3, "endIndex": 5}), (3, 4)),
            (json!({"startIndex": 900, "endIndex": 7}), (21, 21)),
            (json!({}), (0, 21)),
        ];
        for (segment, expected) in cases {
            assert_eq!(span(text, &segment), expected, "{segment}");
        }
    }
}
