"""Anthropic's Messages. What only Anthropic has is left out."""

import re
from urllib.parse import unquote

from .form import call, function, image_part, media_part, present, streamed, text_of, text_part

CHOICES = {"auto": "auto", "any": "required", "none": "none"}


# Where other clouds have the model, and whether to stream.
ON_VERTEX = ".*/models/(.*):(rawPredict|streamRawPredict)"
ON_BEDROCK = ".*/model/(.*)/(invoke|invoke-with-response-stream)"


def native(path, body):
    """The same as a client of the Messages API says it, who knows nothing of clouds."""
    found = re.fullmatch(ON_VERTEX, path) or re.fullmatch(ON_BEDROCK, path)
    if not found:
        return body
    model, method = found.groups()
    streamed = {"stream": True} if "stream" in method.lower() else {}
    return {name: value for name, value in body.items() if name != "anthropic_version"} | streamed | {
        "model": unquote(model)
    }


def request(path, body):
    """The same conversation, tools and flags in the form of Chat Completions."""
    body = native(path, body)
    made = {"model": body["model"], "messages": list(messages(body))}
    made |= present(
        max_tokens=body.get("max_tokens"), temperature=body.get("temperature"), stop=body.get("stop_sequences") or None
    )
    tools = [tool for tool in body.get("tools") or [] if "input_schema" in tool]
    if tools:
        made["tools"] = [function(tool["name"], tool.get("description"), tool["input_schema"]) for tool in tools]
        choice = (body.get("tool_choice") or {}).get("type")
        made |= present(tool_choice=CHOICES.get(choice))
    return streamed(made) if body.get("stream") else made


def messages(body):
    if system := text_of(body.get("system")):
        yield {"role": "system", "content": system}
    for message in body["messages"]:
        content = message["content"]
        blocks = [text_part(content)] if isinstance(content, str) else content
        for block in blocks:
            if block["type"] == "tool_result":
                result = text_of(block.get("content")) or "done"
                yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": result}
        calls = [call(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
        text = text_of([block for block in blocks if block["type"] == "text"], "")
        if calls:
            yield {"role": "assistant", "content": text or None, "tool_calls": calls}
        elif parts := [part for part in map(user_part, blocks) if part]:
            yield {"role": message["role"], "content": parts if message["role"] == "user" else text or "(nothing)"}


def user_part(block):
    if block["type"] == "text":
        return text_part(block["text"])
    if block["type"] not in ("image", "document"):
        return None
    source = block["source"]
    if source["type"] == "base64":
        return media_part(source["media_type"], source["data"])
    if source["type"] == "url" and block["type"] == "image":
        return image_part(source["url"])
    return text_part("(a document)")
