"""Responses, whole and streamed."""

import json
import re

from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from readings.reading import Reading, error_text
from readings.responses import of_response

from .exchange import Unlike, events, is_stream, read_error

EVENT = TypeAdapter(ResponseStreamEvent)

ENDS = ("response.completed", "response.incomplete", "response.failed")


def completed(body):
    """A recorded answer with what the API has only had since: the type of the SDK insists on it."""
    return re.sub(
        rb'("input_tokens_details":\s*\{\s*"cached_tokens":\s*\d+)\s*\}', rb'\1,"cache_write_tokens":0}', body
    )


def read(status, headers, body):
    """Reads an answer."""
    if status >= 400:
        return read_error(body)
    if is_stream(headers):
        return read_stream(headers, body)
    Response.model_validate_json(body, strict=True)
    return of_response(json.loads(body))


def read_stream(headers, body):
    """Reads a stream through the SDK's own accumulation. What it adds up to has to be what the last event says."""
    found, cut = events(headers, body)
    state, last, numbers = ResponseStreamState(input_tools=omit, text_format=omit), None, []
    for name, data in found:
        document = json.loads(data)
        if document["type"] != name:
            raise Unlike(f"an event {document['type']} by the name of {name}")
        if document["type"] == "error":
            return Reading(error=error_text(document), complete=False)
        if last:
            raise Unlike("something follows the end")
        event = EVENT.validate_json(data, strict=True)
        numbers.append(event.sequence_number)
        state.handle_event(event)
        if event.type in ENDS:
            last = document["response"]
    if cut or not last:
        return Reading(complete=False)
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Unlike(f"the events are numbered {numbers}")
    reading = of_response(last)
    added_up = of_response(json.loads(state._ResponseStreamState__current_snapshot.to_json(warnings=False)))
    if reading.choices and added_up.choice(0).text != reading.choice(0).text:
        raise Unlike("the deltas are not the text of the answer")
    reading.complete = reading.error is None
    return reading
