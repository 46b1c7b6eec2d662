"""OpenAI's Responses."""

from .reading import Reading, Usage, call, error_text, read_error

INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}


def read(recording):
    """Reads an answer."""
    if recording.status >= 400:
        return Reading(error=read_error(recording))
    if not recording.streamed:
        return of_response(recording.document())
    for event in recording.events():
        if event["type"] in ("response.completed", "response.incomplete", "response.failed"):
            return of_response(event["response"])
        if event["type"] == "error":
            return Reading(error=error_text(event))
    return Reading(complete=False)


def of_response(response):
    """Reads a Response object."""
    if response.get("error"):
        return Reading(error=error_text(response))
    reading = Reading()
    choice = reading.choice(0)
    for item in response["output"]:
        if item["type"] == "message":
            choice.text += "".join(part.get("text", "") for part in item["content"] if part["type"] == "output_text")
            choice.refusal += "".join(part["refusal"] for part in item["content"] if part["type"] == "refusal")
        elif item["type"] == "function_call":
            choice.calls.append(call(item["call_id"], item["name"], item["arguments"]))
        elif item["type"] == "custom_tool_call":
            choice.calls.append(call(item["call_id"], item["name"], item["input"]))
        elif item["type"] == "reasoning":
            parts = (item.get("summary") or []) + (item.get("content") or [])
            choice.reasoning += "".join(part.get("text") or "" for part in parts)
    reason = (response.get("incomplete_details") or {}).get("reason")
    choice.finish = INCOMPLETE.get(reason, "tool_calls" if choice.calls else "stop")
    reading.usage = usage_of(response.get("usage"))
    return reading


def usage_of(usage):
    if not usage:
        return None
    prompt, completion = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
    thought = (usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0
    return Usage(prompt, completion, usage.get("total_tokens") or prompt + completion, cached, thought)
