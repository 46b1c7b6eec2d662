"""Anthropic's Messages, whole and streamed, and its count of tokens."""

import json

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import ErrorResponse, Message, MessageTokensCount, RawMessageStreamEvent
from pydantic import TypeAdapter

from readings.anthropic import STOPS, usage_of
from readings.reading import Reading, call

from .exchange import Unlike, events, is_stream

EVENT = TypeAdapter(RawMessageStreamEvent)


def read(status, headers, body):
    """Reads an answer."""
    if status >= 400:
        return Reading(error=read_error(body))
    if is_stream(headers):
        return read_stream(headers, body)
    return of_message(Message.model_validate_json(body, strict=True))


def read_error(data):
    """The message of an error. The SDK's type does not say so, but there are errors that are of no request."""
    return ErrorResponse.model_validate({"request_id": None} | json.loads(data), strict=True).error.message


def of_message(message):
    reading = Reading()
    choice = reading.choice(0)
    for block in message.content:
        if block.type == "text":
            choice.text += block.text
        elif block.type == "thinking":
            choice.reasoning += block.thinking
        elif block.type == "tool_use":
            if not isinstance(block.input, dict):
                raise Unlike(f"the input of a tool is no object: {block.input!r}")
            choice.calls.append(call(block.id, block.name, block.input))
    if message.stop_reason is None:
        raise Unlike("a whole message without a reason to stop")
    choice.finish = STOPS[message.stop_reason]
    reading.usage = usage_of(message.usage.model_dump())
    return reading


def read_stream(headers, body):
    """Reads a stream through the SDK's own accumulation."""
    found, cut = events(headers, body)
    message, buffers, open_blocks, ended = None, {}, set(), False
    for name, data in found:
        document = json.loads(data)
        if document["type"] != name:
            raise Unlike(f"an event {document['type']} by the name of {name}")
        if name == "ping":
            continue
        if name == "error":
            return Reading(error=read_error(data), complete=False)
        if ended:
            raise Unlike("something follows the end")
        event = EVENT.validate_json(data, strict=True)
        if name == "content_block_start":
            open_blocks.add(event.index)
        elif name == "content_block_stop":
            open_blocks.remove(event.index)
        elif name in ("message_delta", "message_stop") and open_blocks:
            raise Unlike("the message ends before its blocks")
        ended = name == "message_stop"
        message = accumulate_event(event=event, current_snapshot=message, json_bufs=buffers)
    if cut or not ended:
        return Reading(complete=False)
    return of_message(Message.model_validate_json(message.to_json(), strict=True))


def read_count(status, _headers, body):
    """Reads a count of tokens: the count, or the message of an error."""
    if status >= 400:
        return read_error(body)
    return MessageTokensCount.model_validate_json(body, strict=True).input_tokens
