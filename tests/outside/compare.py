"""Whether what came out of the gateway says what the recording says."""

import json

from answers.exchange import events, is_stream
from readings.reading import arguments
from requests_of.points import points

OPENAI_FINISHES = {"stop", "length", "tool_calls", "content_filter", "function_call"}


def check_answer(route, recording, expected, request, answer, got):
    """Fails unless an answer says what it has to say. `expected` and `got` are its readings, recorded and received."""
    status, _, body = answer
    assert status_class_fits(recording, status), f"{recording.status} became {status}: {body[:600]!r}"
    if expected.error is not None:
        assert got.error is not None, f"the error {expected.error!r} did not arrive: {body[-300:]!r}"
        assert expected.error in got.error, f"{expected.error!r} became {got.error!r}"
        if "error_context_length" in recording.meta["features"] and route != "messages" and status >= 400:
            code = json.loads(body)["error"]["code"]
            assert code == "context_length_exceeded", f"the code {code!r} for {got.error!r}"
        return
    if not expected.complete:
        # The recording was cut off: that has to show, and nothing has to be invented.
        assert got.error is not None or not got.complete, f"a truncated answer became a whole one: {body[-300:]!r}"
        return
    assert status == 200, f"{status} {body[:600]!r}"
    assert got.error is None, f"an error that nobody made: {got.error!r}"
    assert got.complete, f"a whole answer became a truncated one: {body[-300:]!r}"
    check_choices(route, expected, got)
    check_usage(route, expected, request, got)


def status_class_fits(recording, status):
    """An upstream's error keeps its class; 529 is Anthropic's own 503."""
    return recording.status < 400 or recording.status // 100 == status // 100


def check_choices(route, expected, got):
    # The newer APIs have one choice.
    wanted_choices = expected.choices if route in ("chat", "completions") else {0: expected.choice(0)}
    assert set(got.choices) == set(wanted_choices), f"choices {set(got.choices)}, not {set(wanted_choices)}"
    for index, wanted in wanted_choices.items():
        choice = got.choices[index]
        if route == "completions":
            # There is nothing but text.
            assert choice.text == wanted.text + wanted.refusal, f"text {choice.text[:300]!r}, not {wanted.text[:300]!r}"
            assert choice.finish in finishes("chat", wanted), f"finish {choice.finish!r}, not {wanted.finish!r}"
            continue
        # Messages have no refusals of their own.
        refusal = "" if route == "messages" else wanted.refusal
        text = wanted.text + wanted.refusal if route == "messages" else wanted.text
        assert choice.text == text, f"text {choice.text[:300]!r}, not {text[:300]!r}"
        assert choice.refusal == refusal, f"refusal {choice.refusal!r}, not {refusal!r}"
        assert bare(choice.reasoning) == bare(wanted.reasoning), (
            f"reasoning {choice.reasoning[:300]!r}, not {wanted.reasoning[:300]!r}"
        )
        check_calls(route, choice.calls, wanted.calls)
        assert choice.finish in finishes(route, wanted), f"finish {choice.finish!r}, not {wanted.finish!r}"


def finishes(route, wanted):
    """The reasons that an answer may end with. One that the API does not know becomes `stop`."""
    finish = wanted.finish if wanted.finish in OPENAI_FINISHES else "stop"
    if route == "chat":
        # Where the client names the function to call, OpenAI says `stop`, and so do others after it.
        return {finish, wanted.recorded_finish} if wanted.recorded_finish == "stop" else {finish}
    if route == "messages" and wanted.refusal:
        return {"content_filter"}
    return {"tool_calls" if finish == "function_call" else finish}


def bare(reasoning):
    """Reasoning without its spaces: several thoughts may be put together in more than one way."""
    return "".join(reasoning.split())


def check_calls(route, calls, wanted):
    shown = [(call["name"], arguments(call["arguments"])) for call in calls]
    expected = [(call["name"], arguments(call["arguments"])) for call in wanted]
    if route == "messages":
        expected = [(name, as_object(given)) for name, given in expected]
    assert shown == expected, f"calls {shown}, not {expected}"
    ids = [call["id"] for call in calls]
    for id, call in zip(ids, wanted, strict=True):
        assert call["id"] is None or id == call["id"], f"id {id!r}, not {call['id']!r}"
    assert len(set(ids)) == len(ids) or len({call["id"] for call in wanted}) < len(wanted), f"ids come twice: {ids}"


def as_object(given):
    """Arguments as Messages has them, where nothing but an object will do."""
    if isinstance(given, dict):
        return given
    return {} if given is None else {"INVALID_JSON": given}


def check_usage(route, expected, request, got):
    if route in ("chat", "completions") and request.get("stream"):
        if not (request.get("stream_options") or {}).get("include_usage"):
            assert got.usage is None, "usage that nobody asked for"
            return
    if expected.usage:
        wanted = dict(vars(expected.usage))
        shown = dict(vars(got.usage)) if got.usage else {}
        if route == "messages":
            # There is no place for the part of the reasoning, and what was cached is counted apart from the rest: there
            # cannot be more of it than of the prompt, as one upstream has it.
            prompt = max(wanted["prompt"], wanted["cached"])
            wanted |= {"reasoning": 0, "prompt": prompt, "total": prompt + wanted["completion"]}
            shown |= {"reasoning": 0}
        assert shown == wanted, f"usage {shown}, not {wanted}"


def check_same(recording, answer):
    """Fails unless the documents of an answer are the recorded ones, but for the pings between them."""
    status, headers, body = answer
    assert status == 200, f"{status} {body[:600]!r}"
    shown = [json.loads(data) for _, data in events(headers, body)[0]] if is_stream(headers) else [json.loads(body)]
    wanted = recording.events() if recording.streamed else [recording.document()]
    shown, wanted = ([document for document in list if document.get("type") != "ping"] for list in (shown, wanted))
    assert len(shown) == len(wanted), f"{len(shown)} documents, not {len(wanted)}"
    for left, right in zip(shown, wanted, strict=True):
        assert left == right, f"{json.dumps(left)[:400]}, not {json.dumps(right)[:400]}"


def check_vectors(expected, answer, got):
    """The same for embeddings. Numbers in base64 have less digits."""
    if expected.error is not None:
        assert got.error and expected.error in got.error, f"{expected.error!r} became {got.error!r}"
        return
    assert answer[0] == 200, f"{answer[0]} {answer[2][:600]!r}"
    assert len(got.vectors) == len(expected.vectors), f"{len(got.vectors)} vectors, not {len(expected.vectors)}"
    for vector, wanted in zip(got.vectors, expected.vectors, strict=True):
        assert len(vector) == len(wanted), f"{len(vector)} numbers, not {len(wanted)}"
        assert all(abs(left - right) <= 1e-6 * max(1, abs(right)) for left, right in zip(vector, wanted)), (
            "other numbers"
        )
    assert expected.tokens is None or got.tokens == expected.tokens, f"{got.tokens} tokens, not {expected.tokens}"


def differences(recorded, asked, limit_is_ours=False):
    """In which main points the upstream's request differs from the recorded one; both in the form of clients. Messages
    and Completions have a limit for the answer whether the client gives one or not."""
    left, right = points(recorded), points(asked)
    if limit_is_ours and left["limit"] is None:
        right["limit"] = None
    return [f"{name}: {short(right[name])}, not {short(left[name])}" for name in left if left[name] != right[name]]


def changes(recorded, asked):
    """In which fields the upstream's request differs from the recorded one, where both are the client's document."""
    names = sorted(recorded.keys() | asked.keys())
    pairs = [(name, recorded.get(name), asked.get(name)) for name in names]
    return [f"{name}: {short(right)}, not {short(left)}" for name, left, right in pairs if left != right]


def short(value):
    text = json.dumps(value)
    return text if len(text) <= 300 else text[:300] + "..."
