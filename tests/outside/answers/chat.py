"""Chat Completions, whole and streamed, and Completions."""

import json

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from readings.reading import Reading, Usage, call

from .exchange import Unlike, error_message, events, is_stream, read_error


def read(status, headers, body):
    """Reads an answer of Chat Completions."""
    if status >= 400:
        return read_error(body)
    if is_stream(headers):
        return read_stream(headers, body)
    return of_completion(ChatCompletion.model_validate_json(body, strict=True))


def of_completion(completion):
    reading = Reading()
    for choice in completion.choices:
        message, into = choice.message, reading.choice(choice.index)
        into.text, into.refusal, into.finish = message.content or "", message.refusal or "", choice.finish_reason
        into.reasoning = getattr(message, "reasoning_content", None) or ""
        into.calls = [call_of(made) for made in message.tool_calls or []]
        if message.function_call:
            into.calls.append(call(None, message.function_call.name, message.function_call.arguments))
    reading.usage = usage_of(completion.usage)
    return reading


def call_of(made):
    if made.type == "custom":
        return call(made.id, made.custom.name, made.custom.input)
    return call(made.id, made.function.name, made.function.arguments)


def usage_of(usage):
    if not usage:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached, reasoning = prompt and prompt.cached_tokens, completion and completion.reasoning_tokens
    return Usage(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, cached or 0, reasoning or 0)


def data_of(headers, body):
    """The documents of a stream that ends with `[DONE]`, whether it was cut off, and the message of an error in it."""
    found, cut = events(headers, body)
    if any(name for name, _ in found):
        raise Unlike("events with names")
    data = [data for _, data in found]
    if not cut and data[-1:] != ["[DONE]"]:
        raise Unlike(f"the stream does not end with [DONE] but {data[-1:]}")
    documents = [text for text in data if text != "[DONE]"]
    for text in documents:
        if error := json.loads(text).get("error"):
            return [], cut, error_message(error)
    return documents, cut, None


def read_stream(headers, body):
    """Reads a stream through the SDK's own accumulation, and checks what the SDKs of other languages insist on."""
    documents, cut, error = data_of(headers, body)
    if error is not None:
        return Reading(error=error, complete=False)
    state, usages, identities, finished, begun = ChatCompletionStreamState(), [], set(), {}, set()
    for document in documents:
        chunk = ChatCompletionChunk.model_validate_json(document, strict=True)
        if usages and usages[-1]:
            raise Unlike("a chunk follows the usage")
        identities.add((chunk.id, chunk.created, chunk.model))
        usages.append(chunk.usage)
        if chunk.usage and chunk.choices:
            raise Unlike("the usage comes in a chunk with choices")
        for choice in chunk.choices:
            check_begin(choice, begun)
            if choice.finish_reason:
                finished[choice.index] = finished.get(choice.index, 0) + 1
        state.handle_chunk(chunk)
    if cut:
        return Reading(complete=False)
    if len(identities) != 1 or not all(identities.pop()[::2]):
        raise Unlike("the chunks have several identities, or none")
    reading = of_completion(state.current_completion_snapshot)
    if finished != dict.fromkeys(reading.choices, 1):
        raise Unlike(f"each choice ends once, but: {finished}")
    return reading


def check_begin(choice, begun):
    """What begins says what it is, once: choices by their role, calls by id, type and name."""
    if (choice.index not in begun) != (choice.delta.role == "assistant"):
        raise Unlike(f"a choice has its role at its begin and nowhere else, but: {choice}")
    begun.add(choice.index)
    for piece in choice.delta.tool_calls or []:
        place = (choice.index, piece.index)
        name = (piece.function and piece.function.name) or (piece.model_extra or {}).get("custom")
        if place not in begun and not (piece.id and piece.type and name):
            raise Unlike(f"a call begins without id, type or name: {piece}")
        begun.add(place)


def read_text(status, headers, body):
    """Reads an answer of Completions."""
    if status >= 400:
        return read_error(body)
    documents, cut, error = data_of(headers, body) if is_stream(headers) else ([body], False, None)
    if error is not None or cut:
        return Reading(error=error, complete=False)
    reading = Reading()
    for document in documents:
        document = json.loads(document)
        ends = [choice["finish_reason"] for choice in document["choices"]]
        if is_stream(headers):
            # Choices go on until they say why they end, which the SDK's type of whole answers does not allow.
            for choice in document["choices"]:
                choice["finish_reason"] = choice["finish_reason"] or "stop"
        completion = Completion.model_validate_json(json.dumps(document), strict=True)
        for choice, end in zip(completion.choices, ends, strict=True):
            reading.choice(choice.index).text += choice.text
            reading.choice(choice.index).finish = end or reading.choice(choice.index).finish
        reading.usage = usage_of(completion.usage) or reading.usage
    return reading
