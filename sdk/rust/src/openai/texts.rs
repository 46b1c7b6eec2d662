//! The texts of a request for embeddings, for upstreams that take nothing else.

use super::EmbeddingRequest;
use crate::Failure;

impl EmbeddingRequest<'_> {
    /// The texts that are to be embedded, at least one.
    ///
    /// # Errors
    /// `invalid-request` if there are none, or if they are token numbers. `unsupported` if the numbers are to come in
    /// another encoding than floats or their base64, which the host makes of each other.
    pub fn texts(&self) -> Result<Vec<&str>, Failure> {
        if !matches!(self.encoding_format.as_deref(), None | Some("float" | "base64")) {
            return Err(Failure::unsupported("encoding_format", "This provider's numbers are floats."));
        }
        let refused = |message| Failure::invalid_field("input", message);
        let input = self.input.as_ref().ok_or_else(|| refused("There is nothing to embed."))?;
        let texts =
            input.texts().ok_or_else(|| refused("This provider embeds texts; it cannot read token numbers."))?;
        if texts.is_empty() { Err(refused("There is nothing to embed.")) } else { Ok(texts) }
    }
}

#[cfg(test)]
mod tests {
    use super::EmbeddingRequest;

    #[test]
    fn texts_are_taken_in_whichever_form_they_come_and_nothing_else_is() {
        let cases = [
            (r#"{"input":"a"}"#, Some(vec!["a"])),
            (r#"{"input":["a","b"]}"#, Some(vec!["a", "b"])),
            (r#"{"input":[]}"#, None),
            (r#"{"input":[1,2]}"#, None),
            (r#"{"input":[[1],[2]]}"#, None),
            ("{}", None),
            (r#"{"input":"a","encoding_format":null}"#, Some(vec!["a"])),
            (r#"{"input":"a","encoding_format":"base64"}"#, Some(vec!["a"])),
        ];
        for (document, expected) in cases {
            let request: EmbeddingRequest = serde_json::from_str(document).unwrap();
            let texts = request.texts().map_err(|failure| failure.param);
            assert_eq!(texts, expected.ok_or(Some("input".to_owned())), "{document}");
        }
        let request: EmbeddingRequest = serde_json::from_str(r#"{"input":"a","encoding_format":"int8"}"#).unwrap();
        assert_eq!(request.texts().unwrap_err().param.as_deref(), Some("encoding_format"));
    }
}
