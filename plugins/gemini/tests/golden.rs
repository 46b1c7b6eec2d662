//! Golden files: what goes in and what has to come out stand side by side in `golden/`. A new case is a new file; the
//! table of its names is in `weir_plugin::golden`. `WEIR_BLESS=1 cargo test -p gemini` accepts what comes out.

use gemini::Gemini;
use weir_plugin::golden;

#[test]
fn requests_become_those_of_the_gemini_api() {
    golden::check::<Gemini>("golden/requests");
}

#[test]
fn answers_errors_and_lists_become_those_of_the_openai_api() {
    golden::check::<Gemini>("golden/answers");
}

#[test]
fn streams_become_chunks_however_their_events_are_batched() {
    golden::check::<Gemini>("golden/streams");
}

#[test]
fn embeddings_are_asked_for_and_listed() {
    golden::check::<Gemini>("golden/embeddings");
}
