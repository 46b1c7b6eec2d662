"""Chat Completions, Completions and Responses: recorded in the form that clients send."""

from urllib.parse import unquote


def request(path, body):
    """The recorded request, with what other providers say in another way as OpenAI says it. On Azure's older paths the
    model is the deployment that they name."""
    made = dict(body)
    if "/deployments/" in path:
        made["model"] = unquote(path.split("/deployments/")[1].split("/")[0])
    if made.get("tool_choice") == "any":
        made["tool_choice"] = "required"
    if made.get("messages") and made.get("tools"):
        made["tools"] = [{"type": "function"} | tool for tool in made["tools"]]
    return made


def plain(streamed):
    """A request that nobody could refuse, for an answer whose own request the gateway refuses by itself."""
    return {"messages": [{"role": "user", "content": "Say hello."}]} | ({"stream": True} if streamed else {})
