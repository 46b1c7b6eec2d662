//! Golden files: what goes in and what has to come out stand side by side in `golden/`. A new case is a new file; the
//! table of its names is in `weir_plugin::golden`. `WEIR_BLESS=1 cargo test -p mistral` accepts what comes out.

use mistral::Mistral;
use weir_plugin::golden;

#[test]
fn chats_become_those_that_mistral_takes() {
    golden::check::<Mistral>("golden/requests");
}

#[test]
fn answers_and_errors_become_those_of_the_openai_api() {
    golden::check::<Mistral>("golden/answers");
}

#[test]
fn streams_become_chunks_however_their_events_are_batched() {
    golden::check::<Mistral>("golden/streams");
}

#[test]
fn completions_embeddings_and_models_go_there_and_back() {
    golden::check::<Mistral>("golden/others");
}
