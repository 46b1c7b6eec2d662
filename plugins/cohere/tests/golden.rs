//! Golden files: what goes in and what has to come out stand side by side in `golden/`. A new case is a new file; the
//! table of its names is in `weir_plugin::golden`. `WEIR_BLESS=1 cargo test -p cohere` accepts what comes out.

use cohere::Cohere;
use weir_plugin::golden;

#[test]
fn requests_become_those_of_the_form_that_the_model_has() {
    golden::check::<Cohere>("golden/requests");
}

#[test]
fn answers_and_errors_become_those_of_the_openai_api() {
    golden::check::<Cohere>("golden/answers");
}

#[test]
fn streams_become_chunks_however_their_events_are_batched() {
    golden::check::<Cohere>("golden/streams");
}

#[test]
fn embeddings_go_there_and_back() {
    golden::check::<Cohere>("golden/embeddings");
}

#[test]
fn models_are_listed_with_what_is_known_of_them() {
    golden::check::<Cohere>("golden/models");
}
