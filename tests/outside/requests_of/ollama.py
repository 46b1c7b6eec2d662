"""Ollama's own chat and generate."""

import base64

from .form import Calls, call, media_part, present, streamed, text_part


def request(path, body):
    """The same in the form of Chat Completions, or of Completions for generate. Streams are what Ollama gives unless
    it is told not to."""
    options = body.get("options") or {}
    made = {"model": body["model"]}
    if path.endswith("/generate"):
        made["prompt"] = body["prompt"]
    else:
        made["messages"] = list(messages(body))
    made |= present(
        max_tokens=options.get("num_predict"),
        temperature=options.get("temperature"),
        top_p=options.get("top_p"),
        seed=options.get("seed"),
        stop=options.get("stop") or None,
        tools=body.get("tools") or None,
        response_format=response_format(body.get("format")),
    )
    if "think" in body and path.endswith("/chat"):
        made["reasoning_effort"] = {True: "medium", False: "none"}.get(body["think"], body["think"])
    return streamed(made) if body.get("stream", True) else made


def response_format(given):
    if not given:
        return None
    if given == "json":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": given}}


def messages(body):
    calls = Calls()
    for message in body["messages"]:
        role, content = message["role"], message.get("content") or ""
        if role == "tool":
            id = calls.end(message.get("tool_call_id"), message.get("tool_name"))
            yield {"role": "tool", "tool_call_id": id, "content": content}
        elif made := message.get("tool_calls"):
            functions = [(entry.get("id"), entry["function"]) for entry in made]
            made = [
                call(calls.begin(id, entry["name"]), entry["name"], entry.get("arguments") or {})
                for id, entry in functions
            ]
            yield {"role": "assistant", "content": content or None, "tool_calls": made}
        elif images := message.get("images"):
            yield {"role": role, "content": [text_part(content), *map(image, images)]}
        else:
            yield {"role": role, "content": content}


def image(data):
    kind = "image/jpeg" if base64.b64decode(data[:8]).startswith(b"\xff\xd8") else "image/png"
    return media_part(kind, data)
