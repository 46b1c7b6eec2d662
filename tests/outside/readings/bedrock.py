"""Amazon Bedrock's Converse, and Amazon's own models by InvokeModel, which answer alike."""

from .reading import Reading, Usage, call, read_error

STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def read(recording):
    """Reads an answer."""
    if recording.status >= 400:
        return Reading(error=read_error(recording))
    reading = Reading()
    choice = reading.choice(0)
    if recording.streamed:
        for event in recording.events():
            add_event(reading, choice, event)
    else:
        document = recording.document()
        for block in document["output"]["message"]["content"]:
            add_block(choice, block)
        choice.finish = STOPS.get(document["stopReason"], "stop")
        reading.usage = usage_of(document.get("usage"))
    reading.complete = choice.finish is not None
    return reading


def add_block(choice, block):
    """Adds a block, whole or the piece of one."""
    choice.text += block.get("text", "")
    if "reasoningContent" in block:
        thought = block["reasoningContent"]
        choice.reasoning += thought.get("text") or (thought.get("reasoningText") or {}).get("text") or ""
    if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use":
        tool = block["toolUse"]
        choice.calls.append(call(tool["toolUseId"], tool["name"], tool.get("input") or {}))


def add_event(reading, choice, event):
    match event["event"]:
        case "contentBlockStart" if "toolUse" in event["start"]:
            tool = event["start"]["toolUse"]
            # A tool that runs at Amazon is none of the client's.
            own = tool.get("type") != "server_tool_use"
            reading.tool = call(tool["toolUseId"], tool["name"], "")
            if own:
                choice.calls.append(reading.tool)
        case "contentBlockDelta":
            delta = event["delta"]
            if "toolUse" in delta:
                reading.tool["arguments"] += delta["toolUse"].get("input") or ""
            else:
                add_block(choice, delta)
        case "messageStop":
            choice.finish = STOPS.get(event["stopReason"], "stop")
        case "metadata":
            reading.usage = usage_of(event.get("usage"))
        case name if name.endswith("Exception"):
            reading.error = event.get("message")


def usage_of(usage):
    if not usage:
        return None
    read = usage.get("cacheReadInputTokens") or usage.get("cacheReadInputTokenCount") or 0
    written = usage.get("cacheWriteInputTokens") or usage.get("cacheWriteInputTokenCount") or 0
    prompt, completion = usage["inputTokens"] + read + written, usage["outputTokens"]
    return Usage(prompt, completion, prompt + completion, read)
