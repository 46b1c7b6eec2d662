//! The sources of an answer, for upstreams that tell them all at its end.

use serde_json::{Map, Value};

use crate::json::object;

/// Sources in the making of a message's `annotations`, and of `citations` for those that have no address. Each has an
/// `index`, by which client libraries merge the lists of several deltas.
#[derive(Debug, Default)]
pub struct Citations {
    annotations: Vec<Value>,
    others: Vec<Value>,
}

impl Citations {
    /// Adds a source of the text between two places, in characters. `whole` is what is shown of one without an address.
    /// One with an address is not shown twice for the same place.
    pub fn add(&mut self, (start, end): (usize, usize), url: Option<&str>, title: Option<&str>, whole: &Value) {
        let Some(url) = url else {
            let index = self.others.len();
            let (start, end) = (("start_index", start.into()), ("end_index", end.into()));
            let other = object(vec![("index", index.into()), start, end, ("citation", whole.clone())]);
            return self.others.push(other.into());
        };
        let source = url_citation(start as u64, end as u64, url, title.unwrap_or(url));
        if self.annotations.iter().all(|other| other["url_citation"] != source["url_citation"]) {
            let mut annotation = object(vec![("index", self.annotations.len().into())]);
            annotation.extend(source);
            self.annotations.push(annotation.into());
        }
    }

    /// The fields of the message, without lists that are empty.
    pub fn fields(self) -> Map<String, Value> {
        let fields = [("annotations", self.annotations), ("citations", self.others)];
        let fields = fields.into_iter().filter(|(_, list)| !list.is_empty());
        fields.map(|(name, list)| (name.to_owned(), Value::Array(list))).collect()
    }
}

/// A source on the web that the text between two places, in characters, rests on: an annotation of OpenAI's.
pub(super) fn url_citation(start: u64, end: u64, url: &str, title: &str) -> Map<String, Value> {
    let (start, end) = (("start_index", start.into()), ("end_index", end.into()));
    let source = object(vec![start, end, ("title", title.into()), ("url", url.into())]);
    object(vec![("type", "url_citation".into()), ("url_citation", source.into())])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sources_with_an_address_are_annotations_and_others_stay_as_they_are() {
        let mut citations = Citations::default();
        let whole = json!({"own": 1});
        citations.add((0, 2), Some("u"), Some("t"), &whole);
        citations.add((0, 2), Some("u"), Some("t"), &whole);
        citations.add((1, 2), Some("u"), None, &whole);
        citations.add((3, 4), None, Some("t"), &whole);
        let expected = json!({
            "annotations": [
                {"index": 0, "type": "url_citation",
                    "url_citation": {"start_index": 0, "end_index": 2, "title": "t", "url": "u"}},
                {"index": 1, "type": "url_citation",
                    "url_citation": {"start_index": 1, "end_index": 2, "title": "u", "url": "u"}}],
            "citations": [{"index": 0, "start_index": 3, "end_index": 4, "citation": {"own": 1}}]});
        assert_eq!(Value::from(citations.fields()), expected);
        assert!(Citations::default().fields().is_empty());
    }
}
