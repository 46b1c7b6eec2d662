"""Recorded answers of real providers, replayed through the gateway, in one piece and cut at random places.

What comes out has to parse strictly as the official SDK's types, and to say what an independent reading of the
recording says. Every recording is accounted for: run, or skipped with a reason. The dialects of other providers go
through the `openai` plugin too and are reported, not asserted.
"""

import random
from collections import Counter

import pytest

import answers
from conftest import REMARKS
from gateway import KEY, UPSTREAM_SECRET, Gateway, provider
from recordings import CORPUS, OPENAI_FINISHES, arguments, read_anthropic, read_openai, recordings
from requests_of import anthropic_request, openai_request, plain_request
from upstream import Reply, Upstream

# Folder of the corpus -> plugin, how to read the recording, how to ask for it, the path that a chat has.
PROVIDERS = {
    "openai": ("openai", read_openai, openai_request, "/chat/completions"),
    "anthropic": ("anthropic", read_anthropic, anthropic_request, "/messages"),
}

# Dialects that are reported on: `openai` is not the plugin that will speak all of them for good.
DIALECTS = [
    "azure-openai", "cerebras", "deepseek", "gpustack", "groq", "huggingface", "litellm-proxy", "llamacpp", "mistral",
    "ollama-openai", "openrouter", "perplexity", "together", "venice", "vercel-gateway", "vllm", "xai", "zai",
]  # fmt: skip

FORMS = ["whole", "cut"]

TABLE = []


def chats(folder):
    """The recordings of chats, and why each other one is left out."""
    path = PROVIDERS.get(folder, PROVIDERS["openai"])[3]
    kept, left_out = [], Counter()
    for recording in recordings(folder):
        recorded_path = recording.meta["path"]
        if recording.meta["method"] == "POST" and recorded_path.endswith(path) and recording.request:
            kept.append(recording)
        else:
            left_out[f"{recording.meta['method']} {recorded_path} is no chat"] += 1
    return kept, left_out


def pieces(recording, form):
    """The body in one piece, or cut at random places, the same ones each time."""
    body = recording.response
    if form == "whole" or len(body) < 2:
        return [body]
    chance = random.Random(f"{recording.folder}/{recording.name}")
    cuts = sorted(chance.randrange(1, len(body)) for _ in range(min(40, len(body) // 8 + 1)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)])]


@pytest.fixture(scope="module")
def replay():
    """Sends one recording through the gateway, and returns what has to come and what came."""
    upstream = Upstream()
    entries = [
        provider(folder, plugin, f"{upstream.address}/v1", ["any"])
        for folder, plugin in [*((name, row[0]) for name, row in PROVIDERS.items()), *((name, "openai") for name in DIALECTS)]
    ]
    for entry in entries:
        if entry["plugin"] == "anthropic":
            entry["base_url"] = upstream.address
    with upstream, Gateway(entries) as gateway:

        def run(recording, form):
            _, reader, request_of, path = PROVIDERS.get(recording.folder, PROVIDERS["openai"])
            upstream.script = lambda asked: Reply(recording.status, recording.headers, pieces(recording, form))
            upstream.asked.clear()
            model = f"{recording.folder}/{recording.request.get('model') or 'any'}"
            request = request_of(recording, model)
            answer = answers.ask(gateway.host, gateway.port, request)
            if not upstream.asked and recording.status // 100 == answer[0] // 100 == 4:
                # The gateway refuses by itself what the provider refused, so another request has to fetch the answer.
                assert answers.read(*answer).error
                OUTCOMES[recording.folder, "refused"] += 1
                request = plain_request(recording, model)
                answer = answers.ask(gateway.host, gateway.port, request)
            assert len(upstream.asked) == 1, f"the upstream was asked {len(upstream.asked)} times: {answer}"
            [asked] = upstream.asked
            assert asked.path.endswith(path), asked.path
            assert KEY not in str(asked.headers) and UPSTREAM_SECRET in str(asked.headers)
            return reader(recording), request, answer

        yield run


def compare(folder, expected, request, answer):
    """Fails unless the answer says what it has to say."""
    status, _, body = answer
    got = answers.read(*answer)
    if expected.error is not None:
        assert got.error == expected.error or expected.error in (got.error or ""), f"{status} {got.error!r}"
        return
    if not expected.complete:
        # The recording was cut off: that has to show, and nothing has to be invented.
        assert not got.complete, f"a truncated answer became a whole one: {body[-300:]!r}"
        return
    assert status == 200, body
    assert got.error is None, got.error
    assert set(got.choices) == set(expected.choices)
    for index, wanted in expected.choices.items():
        choice = got.choices[index]
        assert choice.text == wanted.text
        assert choice.refusal == wanted.refusal
        assert [comparable(call) for call in choice.calls] == [comparable(call) for call in wanted.calls]
        assert choice.finish in finishes(folder, wanted)
    wants_usage = not request.get("stream") or (request.get("stream_options") or {}).get("include_usage")
    if expected.usage and wants_usage:
        assert got.usage == expected.usage
    if not wants_usage:
        assert got.usage is None, "usage that nobody asked for"


def finishes(folder, wanted):
    """The reasons that an answer may end with. One that the API does not know becomes `stop`; and where the dialect is
    another's, a plain `stop` after calls may become what it means."""
    finish = wanted.finish if wanted.finish in OPENAI_FINISHES else "stop"
    return {finish, "tool_calls"} if folder in DIALECTS and wanted.calls and finish == "stop" else {finish}


def comparable(call):
    return call["id"], call["name"], arguments(call["arguments"])


def status_class_fits(recording, answer):
    """An upstream's error keeps its class; 529 is Anthropic's own 503."""
    return recording.status < 400 or recording.status // 100 == answer[0] // 100


def available():
    return CORPUS.is_dir()


def all_cases():
    if not available():
        return []
    cases = []
    for folder in PROVIDERS:
        kept, left_out = chats(folder)
        TABLE.append((folder, "asserted", len(kept) * len(FORMS), left_out))
        cases += [pytest.param(recording, form, id=f"{folder}/{recording.name}-{form}") for recording in kept for form in FORMS]
    return cases


CASES = all_cases()
OUTCOMES = Counter()


def test_the_recordings_are_there():
    if not available():
        REMARKS.append(("recordings", [f"NOT RUN: there are no recordings at {CORPUS}; set WEIR_CORPUS to their folder."]))
        pytest.skip(f"no recordings at {CORPUS}: 0 cases of {len(PROVIDERS)} providers were replayed")
    assert CASES


@pytest.mark.parametrize(("recording", "form"), CASES)
def test_a_recorded_answer_arrives_as_it_was(replay, recording, form):
    OUTCOMES[recording.folder, "failed"] += 1
    expected, request, answer = replay(recording, form)
    assert status_class_fits(recording, answer), f"{recording.status} became {answer[0]}: {answer[2]!r}"
    compare(recording.folder, expected, request, answer)
    OUTCOMES[recording.folder, "failed"] -= 1
    OUTCOMES[recording.folder, "passed"] += 1


@pytest.mark.skipif(not available(), reason="there are no recordings")
def test_other_dialects_are_reported(replay):
    for folder in DIALECTS:
        kept, left_out = chats(folder)
        TABLE.append((folder, "reported", len(kept) * len(FORMS), left_out))
        for recording in kept:
            for form in FORMS:
                try:
                    expected, request, answer = replay(recording, form)
                    assert status_class_fits(recording, answer), f"{recording.status} became {answer[0]}"
                    compare(folder, expected, request, answer)
                    OUTCOMES[folder, "passed"] += 1
                except Exception as error:  # Whatever it is: it is told, and the next one is tried.
                    OUTCOMES[folder, "failed"] += 1
                    OUTCOMES_TOLD.append(f"{folder}/{recording.name} ({form}): {one_line(error)}")


OUTCOMES_TOLD = []


def one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


@pytest.fixture(scope="module", autouse=True)
def table():
    """Says at the end what was run, and what was not and why."""
    yield
    lines = [f"{'provider':<16} {'':<9} {'cases':>5} {'passed':>6} {'failed':>6} {'skipped':>7}  why skipped, and other remarks"]
    for folder, how, cases, left_out in TABLE:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in left_out.items())
        passed, failed = OUTCOMES[folder, "passed"], OUTCOMES[folder, "failed"]
        if refused := OUTCOMES[folder, "refused"]:
            notes = f"{refused} requests refused by the gateway itself, replayed with a plain one"
            reasons = "; ".join(filter(None, [reasons, notes]))
        skipped = left_out.total() * len(FORMS)
        lines.append(f"{folder:<16} {how:<9} {cases:>5} {passed:>6} {failed:>6} {skipped:>7}  {reasons}")
    if TABLE:
        REMARKS.append(("recordings replayed (each in one piece and cut at random)", lines))
    if OUTCOMES_TOLD:
        REMARKS.append(("other dialects through the openai plugin: reported, not asserted", OUTCOMES_TOLD))
