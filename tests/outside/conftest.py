"""What all suites share: a gateway between the official clients and scripted upstreams."""

import os
from types import SimpleNamespace

import pytest

from dialects import DIALECTS, script_of
from gateway import BINARY, KEY, Gateway, provider
from upstream import Upstream

# Libraries must find no key, proxy or endpoint of the developer's own.
OF_LIBRARIES = (
    "ANTHROPIC_", "AWS_", "AZURE_", "CO_", "GEMINI_", "GOOGLE_", "LANGCHAIN_", "LANGSMITH_", "MISTRAL_", "OLLAMA_",
    "OPENAI_",
)  # fmt: skip
for name in list(os.environ):
    if name.startswith(OF_LIBRARIES) or name.lower().endswith("_proxy"):
        del os.environ[name]

# A gateway with every provider, for the suites of round trips.
pytest_plugins = ["roundtrips"]

MODEL = "m1"


def pytest_sessionstart(session):
    if not BINARY.is_file():
        pytest.exit(f"there is no gateway at {BINARY}: `cargo xtask test` builds it", returncode=2)


@pytest.fixture(scope="session")
def upstreams():
    """One scripted upstream for each dialect."""
    running = {name: Upstream(script_of(dialect)) for name, dialect in DIALECTS.items()}
    yield running
    for upstream in running.values():
        upstream.close()


@pytest.fixture(scope="session")
def gateway(upstreams):
    """A gateway with a provider for each dialect, and the one that answers by itself."""
    providers = [
        provider(name, name, upstreams[name].address + dialect.base_path, [MODEL]) for name, dialect in DIALECTS.items()
    ]
    with Gateway([*providers, provider("demo", "demo", None, ["demo"])]) as running:
        yield running


@pytest.fixture(params=sorted(DIALECTS))
def through(request, gateway, upstreams):
    """The gateway as a client of one dialect's provider sees it."""
    name = request.param
    return SimpleNamespace(
        plugin=name, model=f"{name}/{MODEL}", base_url=gateway.base_url, key=KEY, upstream=upstreams[name]
    )


@pytest.fixture
def demo(gateway):
    """The gateway as a client of the offline provider sees it."""
    return SimpleNamespace(plugin="demo", model="demo/demo", base_url=gateway.base_url, key=KEY)


# What the suites have to say at the end, whether or not anything failed.
REMARKS = []


def pytest_terminal_summary(terminalreporter):
    for title, lines in REMARKS:
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
