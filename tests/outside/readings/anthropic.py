"""Anthropic's Messages."""

import json

from .reading import Reading, Usage, call, read_error

STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def read(recording):
    """Reads an answer."""
    if recording.status >= 400:
        return Reading(error=read_error(recording))
    blocks, stop, usage, error = whole(recording.document()) if not recording.streamed else streamed(recording)
    reading = Reading(error=error, complete=stop is not None)
    choice = reading.choice(0)
    for block in blocks:
        if block["type"] == "text":
            choice.text += block["text"]
        elif block["type"] == "thinking":
            choice.reasoning += block["thinking"]
        elif block["type"] == "tool_use":
            choice.calls.append(call(block["id"], block["name"], block["input"]))
    choice.finish = STOPS.get(stop, "stop") if stop else None
    reading.usage = usage_of(usage)
    return reading


def usage_of(usage):
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    prompt, completion = (usage.get("input_tokens") or 0) + read + written, usage.get("output_tokens") or 0
    thought = (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    return Usage(prompt, completion, prompt + completion, read, thought)


def whole(document):
    return document["content"], document["stop_reason"], document["usage"], None


def streamed(recording):
    """The content blocks, the reason to stop, the usage and the error of a stream."""
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
            elif delta["type"] == "thinking_delta":
                block["thinking"] += delta["thinking"]
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
