"""Recorded provider traffic, and an independent reading of it: what a client has to get, written from the providers'
own documentation and without a line of the gateway's.
"""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from gateway import REPOSITORY

CORPUS = Path(os.environ.get("WEIR_CORPUS", REPOSITORY / "../shared/corpus"))

# Headers of the connection that was recorded, not of the one that is made.
OF_CONNECTION = {"transfer-encoding", "content-length", "content-encoding", "connection", "date"}

OPENAI_FINISHES = {"stop", "length", "tool_calls", "content_filter", "function_call"}


@dataclass
class Recording:
    """One recorded exchange: a folder with `meta.json`, the request and the response."""

    folder: str
    name: str
    meta: dict
    request: dict | None
    response: bytes

    @property
    def status(self):
        return self.meta["status"]

    @property
    def streamed(self):
        return self.meta["response_form"] == "sse"

    @property
    def headers(self):
        """The recorded headers that are the provider's and not the connection's. Some recorders kept none."""
        kind = "text/event-stream" if self.streamed else "application/json"
        recorded = {name.lower(): value for name, value in self.meta["response_headers"].items()}
        return {"content-type": kind} | {name: value for name, value in recorded.items() if name not in OF_CONNECTION}

    def document(self):
        return json.loads(self.response)

    def events(self):
        """The data of each event, without `[DONE]`."""
        text = self.response.decode("utf-8", errors="replace")
        for block in re.split(r"(?:\r\n|\r|\n){2,}", text):
            lines = re.split(r"\r\n|\r|\n", block)
            data = "\n".join(line[5:].removeprefix(" ") for line in lines if line.startswith("data:"))
            if data.strip() and data.strip() != "[DONE]":
                yield json.loads(data)


def recordings(folder):
    """All recordings of a provider, in order of their names."""
    for path in sorted((CORPUS / folder).iterdir()):
        meta = json.loads((path / "meta.json").read_text())
        request = path / "request.json"
        yield Recording(
            folder,
            path.name,
            meta,
            json.loads(request.read_text()) if request.is_file() else None,
            (path / meta["response_file"]).read_bytes(),
        )


@dataclass
class Choice:
    """What one choice of an answer says."""

    text: str = ""
    refusal: str = ""
    calls: list = field(default_factory=list)
    finish: str | None = None


@dataclass
class Reading:
    """What a client has to get."""

    choices: dict = field(default_factory=dict)
    usage: tuple | None = None
    """Tokens of the prompt, of the completion, and in all."""
    error: str | None = None
    """The upstream's own message."""
    complete: bool = True
    """Whether the recording reaches the end of the answer."""

    def choice(self, index):
        return self.choices.setdefault(index, Choice())


def arguments(text):
    """The arguments of a call, for comparing: as a value where they are JSON."""
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


# OpenAI, and those who speak alike.

# Some say `eos` or `model_length`; there are only five reasons in the API that clients speak.
FINISHES = {"eos": "stop", "end_turn": "stop", "model_length": "length", "max_tokens": "length"}


def read_openai(recording):
    """Reads a Chat Completions answer of any dialect."""
    if recording.status >= 400:
        return Reading(error=openai_error(recording))
    reading = Reading()
    if recording.streamed:
        read_openai_stream(recording, reading)
    else:
        document = recording.document()
        if document.get("error"):
            return Reading(error=error_text(document))
        for choice in document["choices"]:
            add_message(reading.choice(choice.get("index", 0)), choice.get("message") or {})
            reading.choice(choice.get("index", 0)).finish = finish_of(choice)
        take_usage(reading, document)
    for choice in reading.choices.values():
        choice.calls = [call for call in choice.calls if call]
    reading.complete = bool(reading.choices) and all(choice.finish for choice in reading.choices.values())
    return reading


def read_openai_stream(recording, reading):
    for chunk in recording.events():
        if chunk.get("error"):
            reading.error = error_text(chunk)
            return
        for choice in chunk.get("choices") or []:
            index = choice.get("index", 0)
            add_message(reading.choice(index), choice.get("delta") or {}, streamed=True)
            reading.choice(index).finish = finish_of(choice) or reading.choice(index).finish
        take_usage(reading, chunk)


def finish_of(choice):
    # An early vision model gave `finish_details` instead.
    finish = choice.get("finish_reason") or (choice.get("finish_details") or {}).get("type")
    return FINISHES.get(finish, finish)


def add_message(choice, message, streamed=False):
    choice.text += content_text(message.get("content"))
    choice.refusal += message.get("refusal") or ""
    for position, call in enumerate(message.get("tool_calls") or []):
        index = call.get("index", position if not streamed else None)
        if index is None:
            # Without an index a call with an id of its own is another one.
            index = len(choice.calls) if call.get("id") or not choice.calls else len(choice.calls) - 1
        while len(choice.calls) <= index:
            choice.calls.append(None)
        known = choice.calls[index] or {"id": None, "name": "", "arguments": ""}
        function = call.get("function") or call.get("custom") or {}
        text = function.get("arguments", function.get("input")) or ""
        known["id"] = known["id"] or call.get("id")
        known["name"] = known["name"] or function.get("name") or ""
        known["arguments"] += text if isinstance(text, str) else json.dumps(text)
        choice.calls[index] = known
    if legacy := message.get("function_call"):
        known = choice.calls[0] if choice.calls else {"id": None, "name": "", "arguments": ""}
        known["name"] = known["name"] or legacy.get("name") or ""
        known["arguments"] += legacy.get("arguments") or ""
        choice.calls[:1] = [known]


def content_text(content):
    """The text of a content; parts that are thoughts are none."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if part.get("type") == "text")
    return content or ""


def take_usage(reading, document):
    usage = document.get("usage") or (document.get("x_groq") or {}).get("usage")
    if usage and usage.get("prompt_tokens") is not None:
        prompt, completion = usage["prompt_tokens"], usage.get("completion_tokens", 0)
        # Some leave out the reasoning, which the total then shows.
        total = usage.get("total_tokens", prompt + completion)
        reading.usage = (prompt, max(completion, total - prompt), total)


def openai_error(recording):
    try:
        return error_text(recording.document())
    except ValueError:
        return recording.response.decode(errors="replace").strip()


def error_text(document):
    """The message of an error, in the shapes that providers use."""
    error = document.get("error", document) if isinstance(document, dict) else document
    if isinstance(error, str):
        return error
    if isinstance(error, dict):
        found = error.get("message") or error.get("detail") or error.get("msg")
        return found if isinstance(found, str) else json.dumps(found)
    return str(error)


# Anthropic.

STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def read_anthropic(recording):
    """Reads a Messages answer."""
    if recording.status >= 400:
        return Reading(error=openai_error(recording))
    blocks, stop, usage, error = anthropic_blocks(recording)
    reading = Reading(error=error, complete=stop is not None)
    choice = reading.choice(0)
    for block in blocks:
        if block["type"] == "text":
            choice.text += block["text"]
        elif block["type"] == "tool_use":
            choice.calls.append({"id": block["id"], "name": block["name"], "arguments": block["input"]})
    choice.finish = STOPS.get(stop, "stop") if stop else None
    cached = (usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0)
    prompt, completion = (usage.get("input_tokens") or 0) + cached, usage.get("output_tokens") or 0
    reading.usage = (prompt, completion, prompt + completion)
    return reading


def anthropic_blocks(recording):
    """The content blocks, the reason to stop, the usage and the error of an answer."""
    if not recording.streamed:
        document = recording.document()
        blocks = [dict(block) for block in document["content"]]
        for block in blocks:
            if block["type"] == "tool_use":
                block["input"] = json.dumps(block["input"])
        return blocks, document["stop_reason"], document["usage"], None
    blocks, stop, usage = {}, None, {}
    for event in recording.events():
        kind = event["type"]
        if kind == "message_start":
            usage |= known(event["message"]["usage"])
        elif kind == "content_block_start":
            start = event["content_block"]
            given = start.get("input")
            blocks[event["index"]] = dict(start) | {"input": json.dumps(given) if given else ""}
        elif kind == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            if delta["type"] == "text_delta":
                block["text"] += delta["text"]
            elif delta["type"] == "input_json_delta":
                block["input"] += delta["partial_json"]
        elif kind == "message_delta":
            stop = event["delta"].get("stop_reason") or stop
            usage |= known(event.get("usage") or {})
        elif kind == "error":
            return list(blocks.values()), None, usage, event["error"]["message"]
    return list(blocks.values()), stop, usage, None


def known(usage):
    return {name: value for name, value in usage.items() if value is not None}
