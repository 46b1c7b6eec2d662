"""The main points of a request for Chat Completions: what has to reach the upstream whatever becomes of the rest."""

from .form import text_of


def points(request):
    """Model, stream, limit, tools, and who says what, in a form that can be compared."""
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    # In Responses a tool says all by itself.
    tools = [tool.get("function", tool) for tool in request.get("tools") or [] if tool.get("type") == "function"]
    declared = tools + (request.get("functions") or [])
    return {
        "model": request.get("model"),
        "stream": bool(request.get("stream")),
        "limit": limit,
        "tools": sorted(tool["name"] for tool in declared),
        "turns": turns(request.get("messages") or []),
        "said": request.get("prompt") or request.get("input"),
    }


def turns(messages):
    """Each speaker with all that is said until another speaks: neighbours are joined, since some APIs do that."""
    joined = []
    for message in messages:
        role = {"developer": "system", "function": "tool"}.get(message["role"], message["role"])
        said = words(message)
        if said and joined and joined[-1][0] == role:
            joined[-1][1].extend(said)
        elif said:
            joined.append((role, said))
    return [(role, " ".join(" ".join(said).split())) for role, said in joined]


def words(message):
    """What a message says: text, `<image>` and the like for media, and calls by their names."""
    content = message.get("content")
    said = [text_of(content)]
    if isinstance(content, list):
        media = ("image_url", "input_audio", "file", "image", "document")
        said += [f"<{part['type']}>" for part in content if part.get("type") in media]
    for call in message.get("tool_calls") or []:
        said.append(f"<call {call['function']['name']}>")
    if message.get("function_call"):
        said.append(f"<call {message['function_call']['name']}>")
    return [text for text in said if text and text.strip()]
