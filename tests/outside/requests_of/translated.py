"""A request for Chat Completions as clients of the other APIs would put it."""

import json

from .form import Inexpressible, present, text_of

# The Messages API does not do without a limit.
MESSAGES_LIMIT = 4096

MESSAGES_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def function_tools(request):
    """The tools of a request, which all have to be functions."""
    tools = request.get("tools") or []
    if request.get("functions") or any(tool.get("type") != "function" for tool in tools):
        raise Inexpressible("tools that are no functions")
    for message in request["messages"]:
        known = ("text",) if message["role"] == "tool" else ("text", "image_url", "refusal")
        if any(kind not in known for kind in kinds(message)):
            raise Inexpressible("parts that only Chat Completions has")
    return [tool["function"] for tool in tools]


def kinds(message):
    content = message.get("content")
    if message.get("function_call") or message["role"] == "function":
        yield "function_call"
    if isinstance(content, list):
        yield from (part["type"] for part in content)


def responses(request):
    """The request for `POST /v1/responses`."""
    tools = function_tools(request)
    made = {"model": request["model"], "input": [item for message in request["messages"] for item in items(message)]}
    made |= present(
        max_output_tokens=request.get("max_completion_tokens") or request.get("max_tokens"),
        temperature=request.get("temperature"),
        top_p=request.get("top_p"),
        stream=True if request.get("stream") else None,
    )
    if tools:
        made["tools"] = [{"type": "function", "strict": False, "parameters": {}} | tool for tool in tools]
        choice = request.get("tool_choice")
        if isinstance(choice, dict):
            choice = {"type": "function", "name": choice["function"]["name"]} if "function" in choice else None
        made |= present(tool_choice=choice)
    return made


def items(message):
    role, content = message["role"], message.get("content")
    if role == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": text_of(content)}
        return
    kind = "output_text" if role == "assistant" else "input_text"
    parts = []
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or []:
        if part["type"] == "text":
            parts.append({"type": kind, "text": part["text"]})
        elif part["type"] == "refusal":
            parts.append(part)
        else:
            url = part["image_url"]
            parts.append(
                {"type": "input_image", "detail": "auto", "image_url": url if isinstance(url, str) else url["url"]}
            )
    if parts:
        yield {"type": "message", "role": role, "content": parts}
    for call in message.get("tool_calls") or []:
        function = call["function"]
        yield {
            "type": "function_call",
            "call_id": call["id"],
            "name": function["name"],
            "arguments": function["arguments"],
        }


def completions(request):
    """The request for `POST /v1/completions`, which has a prompt and no conversation."""
    said = request["messages"]
    if len(said) != 1 or said[0]["role"] != "user" or any(kind != "text" for kind in kinds(said[0])):
        raise Inexpressible("more than a prompt")
    made = {"model": request["model"], "prompt": text_of(said[0]["content"])}
    return made | present(
        max_tokens=request.get("max_completion_tokens") or request.get("max_tokens"),
        temperature=request.get("temperature"),
        n=request.get("n"),
        stop=request.get("stop"),
        stream=request.get("stream"),
        stream_options=request.get("stream_options"),
    )


def messages(request):
    """The request for `POST /v1/messages`."""
    tools = function_tools(request)
    limit = request.get("max_completion_tokens") or request.get("max_tokens") or MESSAGES_LIMIT
    system = [
        text_of(message["content"]) for message in request["messages"] if message["role"] in ("system", "developer")
    ]
    turns = []
    for message in request["messages"]:
        if message["role"] not in ("system", "developer"):
            role = "assistant" if message["role"] == "assistant" else "user"
            # Results and what is said next are one turn.
            if turns and turns[-1]["role"] == role == "user":
                turns[-1]["content"] += blocks(message)
            else:
                turns.append({"role": role, "content": blocks(message)})
    turns = [turn for turn in turns if turn["content"]]
    if not turns or turns[0]["role"] != "user":
        raise Inexpressible("a conversation that the user does not begin")
    made = {"model": request["model"], "max_tokens": limit, "messages": turns}
    made |= present(system="\n".join(system) or None, stream=True if request.get("stream") else None)
    if tools:
        empty = {"type": "object", "properties": {}}
        made["tools"] = [
            {"name": tool["name"], "input_schema": tool.get("parameters") or empty}
            | present(description=tool.get("description"))
            for tool in tools
        ]
        choice = request.get("tool_choice")
        if isinstance(choice, dict) and "function" in choice:
            made["tool_choice"] = {"type": "tool", "name": choice["function"]["name"]}
        elif isinstance(choice, str) and choice in MESSAGES_CHOICES:
            made["tool_choice"] = {"type": MESSAGES_CHOICES[choice]}
    return made


def blocks(message):
    content = message.get("content")
    if message["role"] == "tool":
        return [{"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": text_of(content)}]
    made = []
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or []:
        if part["type"] == "image_url":
            made.append({"type": "image", "source": source(part["image_url"])})
        elif text := part.get("text") or part.get("refusal"):
            made.append({"type": "text", "text": text})
    for call in message.get("tool_calls") or []:
        made.append(tool_use(call))
    return made


def source(image):
    url = image if isinstance(image, str) else image["url"]
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    media_type, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "base64", "media_type": media_type, "data": data}


def tool_use(call):
    try:
        given = json.loads(call["function"]["arguments"] or "{}")
    except ValueError as wrong:
        raise Inexpressible("arguments that are no JSON") from wrong
    return {"type": "tool_use", "id": call["id"], "name": call["function"]["name"], "input": given}
