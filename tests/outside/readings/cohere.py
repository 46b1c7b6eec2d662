"""Cohere's chat, v2 and v1, and its older generate."""

from .reading import Reading, Usage, call, read_error

FINISHES = {
    "COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
}  # fmt: skip


def read(recording):
    """Reads an answer of v2."""
    if recording.status >= 400:
        return Reading(error=read_error(recording))
    reading = Reading()
    choice = reading.choice(0)
    if recording.streamed:
        for event in recording.events():
            add_event(reading, choice, event)
    else:
        document = recording.document()
        for part in document["message"].get("content") or []:
            choice.text += part.get("text", "")
            choice.reasoning += part.get("thinking", "")
        choice.reasoning += document["message"].get("tool_plan") or ""
        for entry in document["message"].get("tool_calls") or []:
            choice.calls.append(call(entry["id"], entry["function"]["name"], entry["function"]["arguments"]))
        end(reading, choice, document.get("finish_reason"), document.get("usage"))
    reading.complete = choice.finish is not None
    return reading


def add_event(reading, choice, event):
    delta = event.get("delta") or {}
    message = delta.get("message") or {}
    match event["type"]:
        case "content-start" | "content-delta":
            choice.text += message["content"].get("text") or ""
            choice.reasoning += message["content"].get("thinking") or ""
        case "tool-plan-delta":
            choice.reasoning += message["tool_plan"]
        case "tool-call-start":
            started = message["tool_calls"]
            choice.calls.append(
                call(started["id"], started["function"]["name"], started["function"].get("arguments") or "")
            )
        case "tool-call-delta":
            choice.calls[-1]["arguments"] += message["tool_calls"]["function"]["arguments"]
        case "message-end":
            end(reading, choice, delta.get("finish_reason"), delta.get("usage"))
            reading.error = delta.get("error")


def end(reading, choice, finish, usage):
    choice.finish = FINISHES.get(finish, "stop") if finish else "stop"
    reading.usage = usage_of(usage) or reading.usage


def usage_of(usage):
    """What was counted, which is not what is billed."""
    counted = (usage or {}).get("tokens")
    if not counted:
        return None
    prompt, completion = int(counted.get("input_tokens") or 0), int(counted.get("output_tokens") or 0)
    cached = int(usage.get("cached_tokens") or 0)
    return Usage(prompt, completion, prompt + completion, cached, int(counted.get("reasoning_tokens") or 0))


def read_v1(recording):
    """Reads an answer of chat or generate of v1. Whole answers of generate never say why they ended."""
    if recording.status >= 400:
        return Reading(error=read_error(recording))
    reading = Reading()
    documents = recording.events() if recording.streamed else [recording.document()]
    finished = not recording.streamed
    for document in documents:
        finished = finished or document.get("is_finished", False)
        if document.get("event_type") == "stream-end" or (recording.streamed and document.get("is_finished")):
            document = {"response": document.get("response") or {}, "finish_reason": document.get("finish_reason")}
            end_v1(reading, document["response"], document["finish_reason"])
            continue
        for index, generation in enumerate(document.get("generations") or []):
            reading.choice(index).text += generation["text"]
            reading.choice(index).finish = FINISHES.get(generation.get("finish_reason"), "stop")
        if not document.get("generations"):
            reading.choice(0).text += document.get("text") or ""
        if not recording.streamed:
            if not document.get("generations"):
                add_calls_v1(reading.choice(0), document)
            end_v1(reading, document, document.get("finish_reason"))
    reading.complete = finished
    return reading


def add_calls_v1(choice, document):
    for entry in document.get("tool_calls") or []:
        choice.calls.append(call(None, entry["name"], entry.get("parameters") or {}))


def end_v1(reading, document, finish):
    for choice in reading.choices.values():
        choice.finish = choice.finish or FINISHES.get(finish, "stop")
        if choice.calls:
            choice.finish = "tool_calls"
    reading.usage = usage_of(document.get("meta") or {}) or reading.usage
