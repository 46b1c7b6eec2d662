"""Amazon Bedrock's Converse, and the form of Amazon's own models by InvokeModel."""

import json
from urllib.parse import unquote

from .form import Inexpressible, call, function, media_part, present, streamed, text_part

DOCUMENTS = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "html": "text/html",
    "md": "text/markdown",
}


def request(path, body):
    """The same in the form of Chat Completions. The model and the method stand in the path."""
    _, model, method = path.rsplit("/", 2)
    given = body.get("inferenceConfig") or {}
    made = {"model": unquote(model), "messages": list(messages(body))}
    made |= present(
        max_tokens=given.get("maxTokens") or given.get("max_new_tokens"),
        temperature=given.get("temperature"),
        top_p=given.get("topP") or given.get("top_p"),
        stop=given.get("stopSequences") or None,
    )
    tools = [tool["toolSpec"] for tool in (body.get("toolConfig") or {}).get("tools") or [] if "toolSpec" in tool]
    if tools:
        made["tools"] = [function(tool["name"], tool.get("description"), tool["inputSchema"]["json"]) for tool in tools]
        choice = (body["toolConfig"].get("toolChoice") or {}).keys()
        made |= present(tool_choice="required" if "any" in choice else None)
    return streamed(made) if method in ("converse-stream", "invoke-with-response-stream") else made


def messages(body):
    if system := [block["text"] for block in body.get("system") or [] if "text" in block]:
        yield {"role": "system", "content": "\n".join(system)}
    for message in body["messages"]:
        blocks = message["content"]
        for block in blocks:
            if "toolResult" in block and message["role"] == "user":
                result = block["toolResult"]
                yield {"role": "tool", "tool_call_id": result["toolUseId"], "content": result_text(result["content"])}
        used = [block["toolUse"] for block in blocks if "toolUse" in block]
        if any(tool.get("type") == "server_tool_use" for tool in used):
            raise Inexpressible("a tool that ran at Amazon")
        calls = [call(tool["toolUseId"], tool["name"], tool.get("input") or {}) for tool in used]
        if message["role"] == "assistant":
            text = "".join(block.get("text", "") for block in blocks)
            yield {"role": "assistant", "content": text or None} | ({"tool_calls": calls} if calls else {})
        elif parts := [part for part in map(user_part, blocks) if part]:
            yield {"role": "user", "content": parts}


def result_text(content):
    return "\n".join(block["text"] if "text" in block else json.dumps(block.get("json")) for block in content)


def user_part(block):
    if "text" in block:
        return text_part(block["text"])
    if "image" in block:
        return media_part(f"image/{block['image']['format']}", block["image"]["source"]["bytes"])
    if "document" in block:
        document = block["document"]
        if document["format"] not in DOCUMENTS or "bytes" not in document["source"]:
            raise Inexpressible("a document of this format")
        return media_part(DOCUMENTS[document["format"]], document["source"]["bytes"], document["name"])
    if "toolResult" in block or "cachePoint" in block:
        return None
    raise Inexpressible(f"a block of {', '.join(block)}")
