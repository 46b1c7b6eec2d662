"""The Vercel AI SDK: `streamText` with tools that it runs by itself, and `generateObject`, by Chat Completions
(`@ai-sdk/openai-compatible`) and by Responses (`@ai-sdk/openai`)."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from gateway import KEY
from roundtrips import Seen, Way, is_the_scene
from test_openai_node import MODULES
from upstreams.scene import CLOCK, DESCRIPTIONS, PARIS, RIVER, ROME, TOOLS, WEATHER

CLIENT = Path(__file__).parent / "node/vercel.mjs"

TOLD = [{"name": name, "description": DESCRIPTIONS[name], "schema": schema} for name, schema in TOOLS.items()]
CONVERSATION = {
    "case": "streamText",
    "system": WEATHER.system,
    "prompt": WEATHER.user[0],
    "tools": TOLD,
    "calls": [vars(call) for call in (PARIS, ROME, CLOCK)],
}
OBJECT = {"case": "generateObject", "prompt": RIVER.user[0], "schema": RIVER.schema}


def run(way, api, task):
    """Runs a case of the client and returns what it saw."""
    task = task | {"api": api, "baseURL": way.base_url, "apiKey": KEY, "model": way.model}
    done = subprocess.run(
        ["node", CLIENT, json.dumps(task)],
        env={"PATH": os.environ["PATH"], "WEIR_NODE_DIR": str(MODULES)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr + str(way.dialect.refused)
    return json.loads(done.stdout)


def seen_by(steps):
    return [Seen(**step | {"finish": step["finish"].replace("-", "_")}) for step in steps]


def test_stream_text_runs_tools_until_there_is_an_answer(way):
    seen = run(way, "chat", CONVERSATION)
    assert seen["text"] == WEATHER.turns[2].text
    is_the_scene(seen_by(seen["steps"]), way.dialect, turns=WEATHER.turns[:3], thinks=False)
    way.arrived_whole()


@pytest.mark.parametrize("name", ["anthropic", "gemini", "openai"])
def test_stream_text_does_so_by_responses_and_keeps_what_was_thought(road, name):
    way = Way(road, name)
    seen = run(way, "responses", CONVERSATION)
    is_the_scene(seen_by(seen["steps"]), way.dialect, turns=WEATHER.turns[:3], thought=True)
    way.arrived_whole()


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("name", ["anthropic", "gemini", "openai"])
def test_generate_object_gets_an_object_of_its_schema(road, name, api):
    way = Way(road, name)
    seen = run(way, api, OBJECT)
    assert seen == {"object": json.loads(RIVER.turns[0].text), "finish": "stop"}
    way.arrived_whole()
