"""The readers of recordings, tried without a gateway: recorded answers in the APIs that clients speak, fed straight to
the official SDKs, say what the independent reading says."""

import pytest
from pydantic import ValidationError

from answers.exchange import Unlike
from answers.responses import completed
from compare import check_answer
from replay import ROUTES, api_of
from test_recordings import CASES

# The folder of each API's own provider, and the operation that it is of.
OWN = {"openai": "chat", "anthropic": "messages", "openai-responses": "responses", "openai-completions": "completions"}

# What the SDK's own types do not allow: an answer without `finish_reason`, a block of a beta.
NOT_STRICT = {"completion-image-input", "anthropic-advisor-tool-stream"}

STRAIGHT = [
    pytest.param(recording, route, id=f"{recording.folder}/{recording.name}")
    for recording, route, form in (case.values for case in CASES)
    if OWN.get(recording.folder) == route and form == "whole"
]


@pytest.mark.parametrize(("recording", "route"), STRAIGHT)
def test_a_recording_reads_alike_by_the_sdk_and_by_hand(recording, route):
    expected = api_of(recording).read(recording)
    if recording.status >= 400:
        assert expected.error
        return
    body = completed(recording.response) if route == "responses" else recording.response
    answer = (recording.status, recording.headers, body)
    if recording.name in NOT_STRICT:
        with pytest.raises((ValidationError, Unlike)):
            ROUTES[route][1](*answer)
        return
    try:
        got = ROUTES[route][1](*answer)
    except ValidationError:
        assert route == "responses", "not strict, and not known for it"
        pytest.skip("recorded when Responses had less fields than the SDK's types insist on")
    check_answer(route, recording, expected, recording.request, answer, got)
