"""Cohere's chat, v2 and v1, and its older generate."""

from .form import Calls, call, function, image_part, present, streamed, text_of, text_part


def request(path, body):
    """The same in the form of Chat Completions."""
    made = {"model": body.get("model") or "command", "messages": list(SPOKEN[path.rsplit("/v", 1)[1]](body))}
    made |= present(
        max_tokens=body.get("max_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("p"),
        seed=body.get("seed"),
        stop=body.get("stop_sequences") or None,
        documents=body.get("documents") or None,
        n=body.get("num_generations"),
    )
    if tools := [declared(tool) for tool in body.get("tools") or []]:
        made |= {"tools": tools} | present(tool_choice=(body.get("tool_choice") or "").lower() or None)
    return streamed(made) if body.get("stream") else made


def declared(tool):
    if "function" in tool:
        return tool
    given = tool.get("parameter_definitions") or {}
    properties = {
        name: {"type": "string"} | present(description=parameter.get("description"))
        for name, parameter in given.items()
    }
    required = [name for name, parameter in given.items() if parameter.get("required")]
    schema = {"type": "object", "properties": properties, "required": required}
    return function(tool["name"], tool.get("description"), schema)


def messages(body):
    """Those of v2, which differ from OpenAI's in their parts."""
    for message in body["messages"]:
        content = message.get("content")
        if message["role"] == "tool":
            yield {"role": "tool", "tool_call_id": message["tool_call_id"], "content": result(content)}
        elif message["role"] == "assistant":
            said = {"role": "assistant", "content": text_of(content) or None}
            yield said | present(tool_calls=message.get("tool_calls") or None)
        else:
            parts = [part(entry) for entry in content] if isinstance(content, list) else content
            yield {"role": message["role"], "content": parts}


def result(content):
    if isinstance(content, str):
        return content
    texts = []
    for entry in content:
        if entry["type"] == "document":
            data = entry["document"]["data"]
            texts.append(data if isinstance(data, str) else "\n".join(str(value) for value in data.values()))
        else:
            texts.append(entry["text"])
    return "\n".join(texts)


def part(entry):
    if entry["type"] == "image_url":
        return image_part(entry["image_url"]["url"])
    return text_part(entry["text"])


def messages_v1(body):
    """Those of v1: a history, what is said now, and the results of calls."""
    if body.get("preamble"):
        yield {"role": "system", "content": body["preamble"]}
    roles = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}
    for turn in body.get("chat_history") or []:
        if turn["role"].upper() in roles and turn.get("message"):
            yield {"role": roles[turn["role"].upper()], "content": turn["message"]}
    if body.get("message"):
        yield {"role": "user", "content": body["message"]}
    calls = Calls()
    for entry in body.get("tool_results") or []:
        made, name = entry["call"], entry["call"]["name"]
        id = calls.begin(None, name)
        yield {"role": "assistant", "content": None, "tool_calls": [call(id, name, made.get("parameters") or {})]}
        yield {"role": "tool", "tool_call_id": id, "content": "\n".join(map(str, entry["outputs"]))}


def prompt(body):
    yield {"role": "user", "content": body["prompt"]}


SPOKEN = {"2/chat": messages, "1/chat": messages_v1, "1/generate": prompt}
