//! What an answer rests on: sources of searches and recitations as annotations, and token probabilities.

use serde_json::{Map, Value};
use weir_plugin::json::object;
use weir_plugin::openai::Citations;

/// The fields `annotations` and `citations` of a message with this text: sources that have an address, and others.
/// `grounding` and `recited` are the upstream's metadata.
pub fn of(text: &str, grounding: &str, recited: &[String]) -> Map<String, Value> {
    let mut citations = Citations::default();
    let mut add = |source: &Value, whole: &Value, span| {
        let url = source["uri"].as_str().or(source["sourceUri"].as_str());
        citations.add(span, url, source["title"].as_str(), whole);
    };
    let grounding = parse(grounding);
    let (chunks, supports) = (list(&grounding, "groundingChunks"), list(&grounding, "groundingSupports"));
    let mut add_chunk = |chunk: &Value, span| {
        let kinds = ["web", "maps", "retrievedContext", "image"];
        add(kinds.into_iter().find_map(|kind| chunk.get(kind)).unwrap_or(chunk), chunk, span);
    };
    for support in supports {
        let span = span(text, &support["segment"]);
        let places = list(support, "groundingChunkIndices").iter().filter_map(Value::as_u64);
        places.filter_map(|place| chunks.get(usize::try_from(place).ok()?)).for_each(|chunk| add_chunk(chunk, span));
    }
    // Nobody says what these are about: then they are about everything.
    if supports.is_empty() {
        chunks.iter().for_each(|chunk| add_chunk(chunk, (0, text.chars().count())));
    }
    for metadata in recited.iter().map(|metadata| parse(metadata)) {
        // The Gemini API and Vertex AI call the same list differently.
        for citation in list(&metadata, "citationSources").iter().chain(list(&metadata, "citations")) {
            add(citation, citation, span(text, citation));
        }
    }
    citations.fields()
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
pub fn logprobs(result: &str) -> Vec<Value> {
    let result = parse(result);
    let token = |candidate: &Value| {
        let logprob = candidate["logProbability"].as_f64().unwrap_or(0.0);
        let text = candidate["token"].as_str().unwrap_or_default();
        object(vec![("token", text.into()), ("logprob", logprob.into()), ("bytes", Value::Null)])
    };
    let alternatives = list(&result, "topCandidates");
    let chosen = list(&result, "chosenCandidates").iter().enumerate().map(|(place, candidate)| {
        let mut chosen = token(candidate);
        let alternatives = alternatives.get(place).map(|top| list(top, "candidates")).unwrap_or_default();
        chosen.insert("top_logprobs".to_owned(), alternatives.iter().map(token).collect());
        chosen.into()
    });
    chosen.collect()
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

fn list<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
