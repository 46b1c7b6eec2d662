"""The readers of recordings, tried without a gateway: the recorded answers of OpenAI, fed straight to the SDK, say what
the independent reading says."""

import pytest
from pydantic import ValidationError

import answers
from recordings import read_openai
from test_recordings import CASES, compare

# An answer without `finish_reason`, which the SDK's own types do not allow.
NOT_STRICT = {"completion-image-input"}

STRAIGHT = [case for case in CASES if case.values[0].folder == "openai" and case.values[1] == "whole"]


@pytest.mark.parametrize(("recording", "form"), STRAIGHT)
def test_a_recording_reads_alike_by_the_sdk_and_by_hand(recording, form):
    if recording.status >= 400:
        assert read_openai(recording).error
        return
    answer = (recording.status, recording.headers, recording.response)
    if recording.name in NOT_STRICT:
        with pytest.raises(ValidationError):
            answers.read(*answer)
    else:
        compare("openai", read_openai(recording), recording.request, answer)
