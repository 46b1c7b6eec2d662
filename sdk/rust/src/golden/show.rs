//! Results as text that a reviewer can read.

use std::fmt::{self, Write as _};

use serde_json::Value;

use crate::{Auth, Encoded, Failure, Framing, RequestBody, ResponseMode, UpstreamRequest};

/// What became of a stream.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The chunks, in order.
    pub chunks: Vec<String>,
    /// Whether the plugin said that the stream is complete.
    pub ended: bool,
    /// What it failed with.
    pub failure: Option<Failure>,
}

impl Outcome {
    pub(super) fn failed(mut self, failure: Failure) -> Self {
        self.failure = Some(failure);
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in &self.chunks {
            writeln!(formatter, "{chunk}")?;
        }
        match &self.failure {
            Some(failure) => formatter.write_str(&self::failure(failure)),
            None if self.ended => formatter.write_str("ended\n"),
            None => formatter.write_str("not ended\n"),
        }
    }
}

/// What `encode` decided.
pub(super) fn encoded(encoded: &Result<Encoded, Failure>) -> String {
    match encoded {
        Ok(Encoded::Send(request)) => upstream_request(request),
        Ok(Encoded::Fetch(urls)) => format!("has the host fetch:\n{}\n", urls.join("\n")),
        Ok(Encoded::Answer(document)) => format!("answers by itself:\n{}", pretty(document)),
        Ok(Encoded::Chunks(chunks)) => format!("answers by itself:\n{}\n", chunks.join("\n")),
        Err(failure) => self::failure(failure),
    }
}

/// What `decode` made of an answer.
pub(super) fn answer(answer: &Result<String, Failure>) -> String {
    match answer {
        Ok(document) => pretty(document),
        Err(failure) => self::failure(failure),
    }
}

/// A failure, one field a line. What is not known has no line.
pub(super) fn failure(failure: &Failure) -> String {
    let mut text = format!("failure: {:?}\nmessage: {}\n", failure.kind, failure.message);
    let fields = [("code", &failure.code), ("type", &failure.type_), ("param", &failure.param)];
    for (name, value) in fields {
        if let Some(value) = value {
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    let _ = writeln!(text, "retryable: {}", failure.retryable);
    if let Some(wait) = failure.retry_after_ms {
        let _ = writeln!(text, "retry after: {wait} ms");
    }
    text
}

fn upstream_request(request: &UpstreamRequest) -> String {
    let mut text = format!("{} {}\n", request.method, request.path);
    for header in &request.headers {
        let _ = writeln!(text, "{}: {}", header.name, header.value);
    }
    let auth = match &request.auth {
        Auth::None => "none".to_owned(),
        Auth::Bearer => "bearer".to_owned(),
        Auth::Header(name) => format!("header {name}"),
        Auth::Query(name) => format!("query {name}"),
        Auth::AwsSigv4(service) => format!("aws-sigv4 {service}"),
    };
    let framing = match request.framing {
        Framing::Sse => "sse",
        Framing::Ndjson => "ndjson",
        Framing::AwsEventStream => "aws-event-stream",
    };
    let response = match request.response {
        ResponseMode::Decode => "decode",
        ResponseMode::Forward => "forward",
    };
    let _ = writeln!(text, "\nauth: {auth}\nframing: {framing}\nresponse: {response}");
    if let Some(carry) = &request.carry {
        let _ = writeln!(text, "carry: {carry}");
    }
    if !request.dropped.is_empty() {
        let _ = writeln!(text, "dropped: {}", request.dropped.join(", "));
    }
    match &request.body {
        RequestBody::None => text.push_str("body: none\n"),
        RequestBody::Document(document) => {
            let _ = write!(text, "body:\n{}", pretty(document));
        }
        RequestBody::Forward(edits) => {
            text.push_str("body: forward, with\n");
            for edit in edits {
                let value = edit.value.as_deref();
                let _ = match value {
                    Some(value) => writeln!(text, "  {}: {value}", edit.name),
                    None => writeln!(text, "  {} removed", edit.name),
                };
            }
        }
    }
    text
}

fn pretty(document: &str) -> String {
    match serde_json::from_str::<Value>(document).and_then(|value| serde_json::to_string_pretty(&value)) {
        Ok(pretty) => pretty + "\n",
        Err(_) => format!("not JSON: {document}\n"),
    }
}

/// The lines in which two texts differ, with a few around them.
pub(super) fn difference(expected: &str, found: &str) -> String {
    const AROUND: usize = 3;
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same = expected.iter().zip(&found).take_while(|(left, right)| left == right).count();
    let shorter = expected.len().min(found.len()) - same;
    let behind = expected.iter().rev().zip(found.iter().rev()).take(shorter).take_while(|(left, right)| left == right);
    let behind = behind.count();
    let mut text = String::new();
    let mut add = |sign: char, lines: &[&str]| {
        for line in lines {
            let _ = writeln!(text, "{sign} {line}");
        }
    };
    add(' ', &expected[same.saturating_sub(AROUND)..same]);
    add('-', &expected[same..expected.len() - behind]);
    add('+', &found[same..found.len() - behind]);
    let rest = expected.len() - behind;
    add(' ', &expected[rest..expected.len().min(rest + AROUND)]);
    text
}
