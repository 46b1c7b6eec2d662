"""What the round trips share: a gateway with all providers, and the check that a client saw the scene as it is.

A plugin of pytest, which `conftest.py` names.
"""

from dataclasses import dataclass, field

import anthropic
import openai
import pytest

from gateway import KEY, UPSTREAM_SECRET, Gateway
from upstream import Upstream
from upstreams import PROVIDERS
from upstreams.scene import WEATHER


@dataclass
class Seen:
    """One turn of the model as the client's SDK shows it: calls as (id, name, arguments), the usage as far as told."""

    text: str = ""
    thought: str = ""
    calls: list = field(default_factory=list)
    finish: str = ""
    prompt: int = 0
    completion: int = 0
    cached: int | None = None
    reasoning: int | None = None


class Road:
    """From the clients to the upstreams."""

    def __init__(self):
        self.dialects = {name: dialect() for name, dialect in PROVIDERS.items()}
        self.upstreams = {name: Upstream(dialect) for name, dialect in self.dialects.items()}
        self.gateway = Gateway([self.entry(name) for name in PROVIDERS])

    def entry(self, name):
        """The provider in the gateway's configuration."""
        dialect = PROVIDERS[name]
        entry = {
            "name": name,
            "base_url": self.upstreams[name].address + dialect.base_path,
            "api_key": UPSTREAM_SECRET,
            "models": [dialect.model],
            "retries": {"attempts": 1},
            **dialect.provider,
        }
        return {key: value for key, value in entry.items() if value is not None}

    def close(self):
        self.gateway.close()
        for upstream in self.upstreams.values():
            upstream.close()


@pytest.fixture(scope="session")
def road():
    """The gateway and all upstreams."""
    running = Road()
    yield running
    running.close()


class Way:
    """The gateway as a client of one provider sees it, and the upstream behind it."""

    def __init__(self, road, name):
        self.name = name
        self.dialect = road.dialects[name]
        self.upstream = road.upstreams[name]
        self.base_url = road.gateway.base_url
        self.model = f"{name}/{self.dialect.model}"
        self.dialect.lost, self.dialect.refused, self.upstream.asked = [], [], []

    def arrived_whole(self):
        """Nothing of the model's was refused, or lost on the way back to it."""
        assert self.dialect.refused == []
        assert self.dialect.lost == []


@pytest.fixture(params=sorted(PROVIDERS))
def way(request, road):
    """Each provider in turn."""
    return Way(road, request.param)


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request):
    return request.param


@pytest.fixture
def openai_client(road):
    return openai.OpenAI(base_url=road.gateway.base_url, api_key=KEY, max_retries=0)


@pytest.fixture
def anthropic_client(road):
    return anthropic.Anthropic(base_url=road.gateway.base_url.removesuffix("/v1"), api_key=KEY, max_retries=0)


def is_the_scene(seen, dialect, *, turns=WEATHER.turns, thought=None, thinks=True):
    """Checks what the client saw. `thought` says whether it was shown thoughts, by default what the provider does."""
    assert len(seen) == len(turns), seen
    thought = dialect.shows_thoughts if thought is None else thought
    for turn, wanted in zip(seen, turns, strict=True):
        assert turn.text == wanted.text
        assert [(name, arguments) for _, name, arguments in turn.calls] == [(c.name, c.arguments) for c in wanted.calls]
        assert turn.thought == (wanted.thought if thought and thinks else "")
        assert turn.finish == ("tool_calls" if wanted.calls else "stop")
        completion = wanted.completion - (0 if thinks else wanted.reasoning)
        assert (turn.prompt, turn.completion) == (wanted.prompt, completion)
        if dialect.tells_cached and turn.cached is not None:
            assert turn.cached == wanted.cached
        if dialect.tells_reasoning and turn.reasoning is not None:
            assert turn.reasoning == (wanted.reasoning if thinks else 0)
    ids = [id for turn in seen for id, _, _ in turn.calls if id is not None]
    assert all(ids), ids
    assert len(ids) == len(set(ids)), ids
