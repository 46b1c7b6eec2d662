//! Golden files: what goes in and what has to come out stand side by side in `golden/`. A new case is a new file; the
//! table of its names is in `weir_plugin::golden`. `WEIR_BLESS=1 cargo test -p bedrock` accepts what comes out.

use bedrock::Bedrock;
use weir_plugin::golden;

#[test]
fn requests_become_those_of_converse_and_invoke_model() {
    golden::check::<Bedrock>("golden/requests");
}

#[test]
fn answers_and_errors_become_those_of_the_openai_api() {
    golden::check::<Bedrock>("golden/answers");
}

#[test]
fn streams_become_chunks_however_their_events_are_batched() {
    golden::check::<Bedrock>("golden/streams");
}

#[test]
fn amazons_own_models_are_asked_by_invoke_model_if_set_so() {
    golden::check::<Bedrock>("golden/invoke");
}
