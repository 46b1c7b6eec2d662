"""The official `openai` SDK for Node, through each plugin. Its stream helper is the strictest reader of streams."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from gateway import TARGET

CLIENT = Path(__file__).parent / "node/client.mjs"
MODULES = Path(os.environ.get("WEIR_NODE_DIR", TARGET / "node"))


def run(through, case, text, **more):
    """Runs one case of the client and returns what it saw."""
    task = {"case": case, "baseURL": through.base_url, "apiKey": through.key, "model": through.model, "text": text}
    done = subprocess.run(
        ["node", CLIENT, json.dumps(task | more)],
        env={"PATH": os.environ["PATH"], "WEIR_NODE_DIR": str(MODULES)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_chat_completion_is_answered(through):
    seen = run(through, "plain", "Say hello.")
    assert seen["content"].startswith("Hello there")
    assert seen["finish_reason"] == "stop"
    assert seen["request_id"]


def test_a_stream_is_read_chunk_by_chunk(through):
    seen = run(through, "chunks", "Say hello.")
    assert seen["content"] == "Hello there, how are you? \u00e9\u4e16\U0001f30d"
    assert seen["usage"]["total_tokens"] == 26


def test_the_stream_helper_gathers_the_text(through):
    seen = run(through, "helper", "Say hello.")
    assert seen["content"].startswith("Hello there")
    assert seen["usage"]["prompt_tokens"] == 17


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("How is the weather in Paris?", [["weather", "Paris"]]),
        ("How is the weather in Paris and Rome?", [["weather", "Paris"], ["weather", "Rome"]]),
        ("Ring the bell.", [["ring", None]]),
    ],
    ids=["one", "parallel", "without arguments"],
)
def test_the_stream_helper_gathers_tool_calls(through, text, calls):
    seen = run(through, "helper", text, tools=True)
    got = [[call["function"]["name"], json.loads(call["function"]["arguments"]).get("city")] for call in seen["tool_calls"]]
    assert got == calls
    assert seen["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("status", [400, 401, 404, 429, 503])
def test_errors_arrive_as_the_sdks_own(through, status):
    seen = run(through, "error", f"Fail with {status}.")
    assert seen["status"] == status
    assert seen["api_error"] is True
    assert seen["message"]


def test_the_offline_provider_satisfies_the_stream_helper(demo):
    seen = run(demo, "helper", "The river is high.")
    assert "The river is high." in seen["content"]
    assert seen["finish_reason"] == "stop"
