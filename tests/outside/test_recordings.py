"""Recorded answers of real providers, replayed through the gateway, in one piece and cut at random places.

What comes out has to parse strictly as the official SDK's types, and to say what an independent reading of the
recording says. Chats are asked for in each of the dialects that clients speak. Every recording is accounted for: run,
or skipped with a reason. How the upstream was asked is compared with the recorded request, and counted apart.
"""

import base64
import json
import os
import random

import pytest

import answers.embeddings
import answers.responses
import compare
import readings.embeddings
import requests_of.chat
import requests_of.translated
from answers.exchange import ask
from conftest import REMARKS
from gateway import KEY, UPSTREAM_SECRET, Gateway
from readings.reading import read_error
from recordings import CORPUS, folders, recordings
from replay import (
    ROUTES,
    TAKES_NO_URLS,
    Providers,
    api_of,
    model_of,
    native_request,
    routes_of,
    same_path,
    why_not,
    why_not_asked,
)
from requests_of.form import Inexpressible
from table import Table
from upstream import Reply, Upstream

FORMS = ["whole", "cut"]
ENCODINGS = ["float", "base64"]
SEED = os.environ.get("WEIR_CUTS", "")

TABLE = Table()
PROVIDERS = Providers()

# The smallest picture, for requests that refer to one on a server that is out of reach.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)


def available():
    return CORPUS.is_dir()


def all_cases():
    """Every recording with every route and form that it is replayed by."""
    for folder in folders() if available() else []:
        for recording in recordings(folder):
            reason = why_not(recording)
            TABLE.add(recording, reason)
            if reason:
                continue
            if api_of(recording).kind == "models":
                TABLE.count(folder, "list", "replayed by test_recorded_models.py")
                continue
            for route in routes_of(recording):
                if reason := why_not_asked(recording, route):
                    TABLE.count(folder, "not asked", f"not asked by {route}: {reason}")
                    continue
                PROVIDERS.name_of(recording, route)
                for form in FORMS if route != "embeddings" else ENCODINGS:
                    id = f"{folder}/{recording.name}-{route}-{form}"
                    yield pytest.param(recording, route, form, id=id)


CASES = list(all_cases())


def pieces(recording, form):
    """The body in one piece, or cut at random places: the same ones each time, and others with another seed."""
    body = recording.response
    if form == "whole" or len(body) < 2:
        return [body]
    chance = random.Random(f"{SEED}{recording.folder}/{recording.name}")
    cuts = sorted(chance.randrange(1, len(body)) for _ in range(min(40, len(body) // 8 + 1)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)])]


class Replay:
    """A gateway with a provider for each kind of recording, and the upstream that answers for all of them."""

    def __init__(self):
        self.upstream = Upstream(self.answer)
        self.gateway = Gateway(PROVIDERS.configured(self.upstream.address), fetch={"private_addresses": True})
        self.reply = None

    def answer(self, asked):
        return Reply(200, {"content-type": "image/png"}, [PICTURE]) if asked.path == "/picture.png" else self.reply

    def send(self, recording, route, form, request):
        """Sends a request, and returns what came out and how the upstream was asked for it, if it was."""
        self.reply = Reply(recording.status, recording.headers, pieces(recording, form))
        self.upstream.asked.clear()
        model = f"{PROVIDERS.name_of(recording, route)}/{request.get('model') or 'any'}"
        answer = ask(self.gateway, ROUTES[route][0], request | {"model": model})
        asked = [asked for asked in self.upstream.asked if asked.method == "POST"]
        assert len(asked) <= 1, f"the upstream was asked {len(asked)} times: {answer}"
        return answer, asked[0] if asked else None

    def close(self):
        self.gateway.close()
        self.upstream.close()


@pytest.fixture(scope="module")
def replay():
    running = Replay()
    yield running
    running.close()


def request_for(recording, route, address):
    """The recorded request as a client of this route makes it, and why it is another one if it has to be."""
    api = api_of(recording)
    try:
        if route in (api.native, "count_tokens"):
            return native_request(recording), None
        request = api.request_of(recording.path, recording.request)
        if recording.folder in TAKES_NO_URLS:
            request = within_reach(request, address)
        if route != api.kind:
            request = getattr(requests_of.translated, route)(request)
        return request, None
    except Inexpressible as reason:
        why = str(reason)
    except (LookupError, TypeError, AttributeError, ValueError):
        why = "a request of a form that is not known"
    return plain_for(recording, route), why


def plain_for(recording, route):
    """A request that nobody could refuse, for an answer whose own request cannot be made."""
    model = {"model": model_of(recording)}
    if route == "embeddings":
        count = len(readings.embeddings.read(recording).vectors) if recording.status == 200 else 1
        return model | {"input": ["Hello."] * count}
    if route == "completions":
        return model | {"prompt": "Say hello.", "stream": recording.asked_to_stream}
    plain = model | requests_of.chat.plain(recording.asked_to_stream)
    return plain if route == "chat" else getattr(requests_of.translated, route)(plain)


def within_reach(request, address):
    """The same with all pictures on a server that is there."""
    for message in request.get("messages") or []:
        for part in message["content"] if isinstance(message.get("content"), list) else []:
            if part["type"] == "image_url" and part["image_url"]["url"].startswith("http"):
                part["image_url"]["url"] = f"{address}/picture.png"
    return request


def test_the_recordings_are_there():
    if not available():
        told = f"NOT RUN: there are no recordings at {CORPUS}; set WEIR_CORPUS to their folder."
        REMARKS.append(("recordings", [told]))
        pytest.skip(told)
    assert CASES


@pytest.mark.parametrize(("recording", "route", "form"), CASES)
def test_a_recorded_answer_arrives_as_it_was(replay, recording, route, form):
    TABLE.begin(recording.folder, route)
    api = api_of(recording)
    request, why_plain = request_for(recording, route, replay.upstream.address)
    if route == "embeddings":
        request = request | {"encoding_format": form}
    answer, asked = replay.send(recording, route, form, request)
    if asked is None and recording.status // 100 == answer[0] // 100 == 4:
        # The gateway refuses by itself what the provider refused, so another request has to fetch the answer.
        assert read(route, answer, form).error
        request, why_plain = plain_for(recording, route), "refused by the gateway itself"
        answer, asked = replay.send(recording, route, form, request)
    assert asked, f"the upstream was not asked: {answer[0]} {answer[2][:600]!r}"
    assert same_path(asked.path, recording.path), f"asked at {asked.path}, not {recording.path}"
    assert KEY not in str(asked.headers) and proven(asked), "the credential is not the upstream's"
    note_request(recording, api, route, asked, why_plain)
    check(recording, api, route, form, request, answer)
    TABLE.passed(recording.folder, route)


def proven(asked):
    """Whether the upstream's secret came along, as such or in a signature."""
    return UPSTREAM_SECRET in str(asked.headers) or asked.headers.get("authorization", "").startswith(
        "AWS4-HMAC-SHA256"
    )


def read(route, answer, form):
    return answers.embeddings.read(*answer, form) if route == "embeddings" else ROUTES[route][1](*answer)


def check(recording, api, route, form, request, answer):
    """Fails unless the answer says what the recording says."""
    if route == "embeddings":
        unpack = readings.embeddings.small_integers if recording.folder == "perplexity" else readings.embeddings.floats
        compare.check_vectors(api.read(recording, unpack), answer, read(route, answer, form))
        return
    if route == "count_tokens":
        counted = read(route, answer, form)
        if recording.status >= 400:
            assert recording.status // 100 == answer[0] // 100 and read_error(recording) in counted
        else:
            assert counted == recording.document()["input_tokens"]
        return
    expected = api.read(recording)
    if api.native == route and recording.status == 200 and expected.complete and not expected.error:
        compare.check_same(recording, answer)
        if route == "responses":
            answer = (*answer[:2], answers.responses.completed(answer[2]))
        if not is_strict(recording, route):
            TABLE.count(
                recording.folder, "loose", "not strict by the SDK's types as recorded: compared document by document"
            )
            return
    compare.check_answer(route, recording, expected, request, answer, read(route, answer, form))


def is_strict(recording, route):
    """Whether the recorded answer itself parses by the SDK's types: what is passed on can be no better."""
    try:
        headers, body = recording.headers, recording.response
        if route == "responses":
            body = answers.responses.completed(body)
        elif recording.form == "eventstream":
            headers, body = {"content-type": "text/event-stream"}, as_server_sent(recording.events())
        ROUTES[route][1](recording.status, headers, body)
    except (ValueError, AssertionError):
        return False
    return True


def as_server_sent(documents):
    """The events of a stream of Messages as its clients get them."""
    return b"".join(b"event: %b\ndata: %b\n\n" % (it["type"].encode(), json.dumps(it).encode()) for it in documents)


def note_request(recording, api, route, asked, why_plain):
    """Compares how the upstream was asked with what was recorded, and takes note of it."""
    if why_plain:
        TABLE.count(recording.folder, "plain", f"asked by a plain request: {why_plain}")
        return
    if route in (api.native, "count_tokens"):
        found = compare.changes(recording.request, asked.json())
    else:
        left = api.request_of(recording.path, recording.request)
        right = api.request_of(asked.path.partition("?")[0], asked.json())
        if route == "embeddings":
            # Many inputs are asked for in batches, of which an error shows only the first.
            left["input"] = left["input"][: len(right["input"])]
        found = compare.differences(left, right, limit_is_ours=route in ("messages", "completions"))
    TABLE.count(recording.folder, "not alike" if found else "asked alike")
    if found:
        TABLE.told.append(f"{recording.folder}/{recording.name} by {route}: {'; '.join(found)}")


@pytest.mark.skipif(not available(), reason="there are no recordings")
def test_the_upstreams_were_asked_as_recorded():
    told = sorted(set(TABLE.told))
    assert not told, "\n" + "\n".join(told)


@pytest.fixture(scope="module", autouse=True)
def table():
    """Says at the end what was run, and what was not and why."""
    yield
    if TABLE.counts:
        REMARKS.append(("recordings replayed, each in one piece and cut at random", TABLE.lines()))
