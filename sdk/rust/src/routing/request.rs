//! What a policy asks of a request.

use super::Request;

impl Request {
    /// The value of the client's header of this name, in whatever case the name is written.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(header.value.trim())
    }

    /// The text in the document's `metadata` under this name.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|entry| entry.name == name).map(|entry| entry.value.as_str())
    }

    /// About how many tokens the answer will have: as many as answers usually have, unless the client wants fewer.
    #[must_use]
    pub fn likely_answer_tokens(&self, usual: u64) -> u64 {
        self.answer_tokens.map_or(usual, |most| most.min(usual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Header;
    use crate::routing::Entry;

    #[test]
    fn headers_are_found_in_any_case_and_metadata_as_written() {
        let entry = Entry { name: "Team".to_owned(), value: "blue".to_owned() };
        let headers = vec![Header::new("x-weir-task", " code ")];
        let request = Request { headers, metadata: vec![entry], ..Request::default() };
        assert_eq!(request.header("X-Weir-Task"), Some("code"));
        assert_eq!(request.header("x-weir-other"), None);
        assert_eq!((request.metadata("Team"), request.metadata("team")), (Some("blue"), None));
    }

    #[test]
    fn a_limit_of_the_client_makes_answers_shorter_but_not_longer() {
        for (limit, expected) in [(None, 500), (Some(100), 100), (Some(4096), 500)] {
            let request = Request { answer_tokens: limit, ..Request::default() };
            assert_eq!(request.likely_answer_tokens(500), expected);
        }
    }
}
