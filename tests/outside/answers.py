"""What came out of the gateway, read by the official SDK's types at their strictest."""

import http.client
import json

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway import KEY
from recordings import Choice, Reading

PATIENCE_SECONDS = 30


class Unlike(AssertionError):
    """The answer is not what it has to be."""


def ask(host, port, request):
    """Posts a chat completion and returns status, headers and body."""
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_SECONDS)
    try:
        headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
        connection.request("POST", "/v1/chat/completions", json.dumps(request), headers)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        try:
            return response.status, headers, response.read()
        except http.client.IncompleteRead as cut:
            return response.status, headers | {"cut": "yes"}, cut.partial
    finally:
        connection.close()


def read(status, headers, body):
    """Reads an answer. Raises `Unlike` or the SDK's own error when its form is wrong."""
    if status >= 400:
        error = json.loads(body)["error"]
        if set(error) != {"message", "type", "param", "code"} or not isinstance(error["message"], str):
            raise Unlike(f"not an error of the OpenAI API: {error}")
        if not isinstance(error["code"], str | None) or not isinstance(error["type"], str):
            raise Unlike(f"code and type have to be texts: {error}")
        return Reading(error=error["message"])
    if headers["content-type"].startswith("text/event-stream"):
        return read_stream(body, cut="cut" in headers)
    return read_completion(ChatCompletion.model_validate_json(body, strict=True))


def read_completion(completion):
    reading = Reading()
    for choice in completion.choices:
        message = choice.message
        calls = [call_of(call) for call in message.tool_calls or []]
        if message.function_call:
            calls.append({"id": None, "name": message.function_call.name, "arguments": message.function_call.arguments})
        reading.choices[choice.index] = Choice(message.content or "", message.refusal or "", calls, choice.finish_reason)
    if completion.usage:
        usage = completion.usage
        reading.usage = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    return reading


def call_of(call):
    if call.type == "custom":
        return {"id": call.id, "name": call.custom.name, "arguments": call.custom.input}
    return {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}


def read_stream(body, cut):
    """Reads a stream through the SDK's own accumulation, and checks what the SDKs of other languages insist on."""
    if b"\r" in body:
        raise Unlike("lines end with CR")
    *events, rest = body.decode("utf-8").split("\n\n")
    if rest and not cut:
        raise Unlike(f"the stream ends inside an event: {rest!r}")
    if not cut and events[-1:] != ["data: [DONE]"]:
        raise Unlike(f"the stream does not end with [DONE] but {events[-1:]}")
    state, usages, identities, finished = ChatCompletionStreamState(), [], set(), {}
    for event in events:
        if event == "data: [DONE]" or event.startswith(":"):
            continue
        if not event.startswith("data: ") or "\n" in event:
            raise Unlike(f"not one line of data: {event!r}")
        value = json.loads(event[6:])
        if value.get("error"):
            return Reading(error=value["error"]["message"], complete=False)
        chunk = ChatCompletionChunk.model_validate_json(event[6:], strict=True)
        if usages and usages[-1]:
            raise Unlike("a chunk follows the usage")
        identities.add((chunk.id, chunk.created, chunk.model))
        usages.append(chunk.usage)
        if chunk.usage and chunk.choices:
            raise Unlike("the usage comes in a chunk with choices")
        for choice in chunk.choices:
            if choice.finish_reason:
                finished[choice.index] = finished.get(choice.index, 0) + 1
        state.handle_chunk(chunk)
    if cut:
        return Reading(complete=False)
    if len(identities) != 1:
        raise Unlike(f"the chunks have several identities: {identities}")
    reading = read_completion(state.current_completion_snapshot)
    if finished != dict.fromkeys(reading.choices, 1):
        raise Unlike(f"each choice ends once, but: {finished}")
    return reading
