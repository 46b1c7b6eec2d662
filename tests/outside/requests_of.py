"""The request of a recording as a client of the gateway makes it: in the form of the OpenAI API."""

import json


def openai_request(recording, model):
    """The recorded request is in that form already."""
    return recording.request | {"model": model}


def anthropic_request(recording, model):
    """The same conversation, tools and flags in the form of the OpenAI API. What only Anthropic has is left out: what
    is replayed is the answer."""
    recorded = recording.request
    request = {"model": model, "messages": list(messages(recorded)), "max_tokens": recorded["max_tokens"]}
    if tools := [function(tool) for tool in recorded.get("tools", []) if "input_schema" in tool]:
        request["tools"] = tools
    if recording.meta["stream"] or recorded.get("stream"):
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return request


def plain_request(recording, model):
    """A request that nobody could refuse, for an answer whose own request the gateway refuses by itself."""
    request = {"model": model, "messages": [{"role": "user", "content": "Say hello."}]}
    return request | ({"stream": True} if recording.streamed else {})


def function(tool):
    declared = {"name": tool["name"], "parameters": tool["input_schema"]}
    if tool.get("description"):
        declared["description"] = tool["description"]
    return {"type": "function", "function": declared}


def messages(recorded):
    if system := text_of(recorded.get("system")):
        yield {"role": "system", "content": system}
    for message in recorded["messages"]:
        if not isinstance(message, dict):
            yield message  # Wrong on purpose.
            continue
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            if block["type"] == "tool_result":
                result = text_of(block.get("content")) or "done"
                yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": result}
        calls = [call(block) for block in blocks if block["type"] == "tool_use"]
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        if calls:
            yield {"role": "assistant", "content": text or None, "tool_calls": calls}
        elif parts := [part for part in map(user_part, blocks) if part]:
            plain = text if message["role"] != "user" else parts
            yield {"role": message["role"], "content": plain or "(nothing)"}


def call(block):
    return {
        "id": block["id"],
        "type": "function",
        "function": {"name": block["name"], "arguments": json.dumps(block["input"])},
    }


def user_part(block):
    if block["type"] == "text":
        return {"type": "text", "text": block["text"]}
    if block["type"] == "image":
        source = block["source"]
        data = f"data:{source['media_type']};base64,{source['data']}" if source["type"] == "base64" else source.get("url")
        return {"type": "image_url", "image_url": {"url": data}} if data else None
    if block["type"] == "document":
        return {"type": "text", "text": "(a document)"}
    return None


def text_of(content):
    """The text of a string or of blocks."""
    if isinstance(content, list):
        return "\n".join(block["text"] for block in content if block.get("type") == "text")
    return content
