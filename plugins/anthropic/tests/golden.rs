//! Golden files: what goes in and what has to come out stand side by side in `golden/`. A new case is a new file; the
//! table of its names is in `weir_plugin::golden`. `WEIR_BLESS=1 cargo test -p anthropic` accepts what comes out.

use anthropic::Anthropic;
use weir_plugin::golden;

#[test]
fn requests_become_those_of_the_messages_api() {
    golden::check::<Anthropic>("golden/requests");
}

#[test]
fn answers_and_errors_become_those_of_the_openai_api() {
    golden::check::<Anthropic>("golden/answers");
}

#[test]
fn streams_become_chunks_however_their_events_are_batched() {
    golden::check::<Anthropic>("golden/streams");
}

#[test]
fn clients_of_the_messages_api_are_passed_through() {
    golden::check::<Anthropic>("golden/native");
}

#[test]
fn models_on_other_clouds_are_asked_in_the_same_words() {
    golden::check::<Anthropic>("golden/clouds");
}
