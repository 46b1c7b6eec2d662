"""Answers written in the wire formats of the OpenAI and the Anthropic API, streamed and not.

What is to be answered is a `Said`; it is found by the last text of the request, so that the same test runs through
either plugin.
"""

import json
from dataclasses import dataclass, field

from upstream import Reply


@dataclass
class Said:
    """What a model says: a text, calls of tools as (id, name, arguments), and why it stopped."""

    text: str = ""
    calls: list = field(default_factory=list)
    finish: str = "stop"
    prompt_tokens: int = 17
    completion_tokens: int = 9


@dataclass
class Fault:
    """An error: the status, and its type in the words of the OpenAI and of the Anthropic API."""

    status: int
    openai_type: str
    anthropic_type: str
    message: str
    headers: dict = field(default_factory=dict)


def words_of(text):
    """The text in pieces as a model streams it: word by word."""
    words = text.split(" ")
    return [word if index == 0 else " " + word for index, word in enumerate(words)] if text else []


def halves(text):
    """Arguments come in fragments that are no JSON by themselves."""
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


class OpenAi:
    """`POST /chat/completions`."""

    plugin = "openai"
    base_path = "/v1"

    @staticmethod
    def last_text(request):
        message = request["messages"][-1]
        content = message["content"]
        text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        return "after the tools" if message["role"] == "tool" else text

    @classmethod
    def reply(cls, request, said):
        if isinstance(said, Fault):
            error = {"message": said.message, "type": said.openai_type, "param": None, "code": None}
            return Reply.document({"error": error}, said.status, **said.headers)
        if request.get("stream"):
            return Reply.events([cls._data(chunk) for chunk in cls._chunks(request, said)] + [b"data: [DONE]\n\n"])
        return Reply.document(cls._document(request, said))

    @staticmethod
    def _usage(said):
        total = said.prompt_tokens + said.completion_tokens
        return {"prompt_tokens": said.prompt_tokens, "completion_tokens": said.completion_tokens, "total_tokens": total}

    @classmethod
    def _document(cls, request, said):
        message = {"role": "assistant", "content": said.text or None, "refusal": None, "annotations": []}
        if said.calls:
            message["tool_calls"] = [
                {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
                for id, name, arguments in said.calls
            ]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish}
        return {
            "id": "chatcmpl-Bq1", "object": "chat.completion", "created": 1750959953, "model": request["model"],
            "choices": [choice], "usage": cls._usage(said), "service_tier": "default", "system_fingerprint": "fp_1",
        }  # fmt: skip

    @classmethod
    def _chunks(cls, request, said):
        head = {
            "id": "chatcmpl-Bq1", "object": "chat.completion.chunk", "created": 1750959953, "model": request["model"],
            "service_tier": "default", "system_fingerprint": "fp_1",
        }  # fmt: skip

        def chunk(delta, finish=None):
            return head | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

        yield chunk({"role": "assistant", "content": None if said.calls else "", "refusal": None})
        for word in words_of(said.text):
            yield chunk({"content": word})
        for index, (id, name, arguments) in enumerate(said.calls):
            function = {"name": name, "arguments": ""}
            yield chunk({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]})
            for fragment in halves(json.dumps(arguments)):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]})
        yield chunk({}, said.finish)
        if (request.get("stream_options") or {}).get("include_usage"):
            yield head | {"choices": [], "usage": cls._usage(said)}

    @staticmethod
    def _data(value):
        return b"data: " + json.dumps(value).encode() + b"\n\n"


class Anthropic:
    """`POST /v1/messages`."""

    plugin = "anthropic"
    base_path = ""

    STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}

    @staticmethod
    def last_text(request):
        content = request["messages"][-1]["content"]
        if isinstance(content, str):
            return content
        if any(block["type"] == "tool_result" for block in content):
            return "after the tools"
        return "".join(block.get("text", "") for block in content)

    @classmethod
    def reply(cls, request, said):
        if isinstance(said, Fault):
            error = {"type": said.anthropic_type, "message": said.message}
            return Reply.document({"type": "error", "error": error, "request_id": "r1"}, said.status, **said.headers)
        if request.get("stream"):
            return Reply.events([cls._event(event) for event in cls._events(request, said)])
        return Reply.document(cls._document(request, said))

    @classmethod
    def _document(cls, request, said):
        content = [{"type": "text", "text": said.text}] if said.text else []
        content += [{"type": "tool_use", "id": id, "name": name, "input": arguments} for id, name, arguments in said.calls]
        usage = {"input_tokens": said.prompt_tokens, "output_tokens": said.completion_tokens}
        return cls._message(request) | {"content": content, "stop_reason": cls.STOPS[said.finish], "usage": usage}

    @staticmethod
    def _message(request):
        return {
            "id": "msg_01", "type": "message", "role": "assistant", "model": request["model"], "content": [],
            "stop_reason": None, "stop_sequence": None,
        }  # fmt: skip

    @classmethod
    def _events(cls, request, said):
        usage = {"input_tokens": said.prompt_tokens, "output_tokens": 1}
        yield {"type": "message_start", "message": cls._message(request) | {"usage": usage}}
        yield {"type": "ping"}
        blocks = [({"type": "text", "text": ""}, [{"type": "text_delta", "text": w} for w in words_of(said.text)])]
        for id, name, arguments in said.calls:
            fragments = ["", *halves(json.dumps(arguments))] if arguments else []
            deltas = [{"type": "input_json_delta", "partial_json": fragment} for fragment in fragments]
            blocks.append(({"type": "tool_use", "id": id, "name": name, "input": {}}, deltas))
        for index, (start, deltas) in enumerate(blocks if said.text else blocks[1:]):
            yield {"type": "content_block_start", "index": index, "content_block": start}
            for delta in deltas:
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        delta = {"stop_reason": cls.STOPS[said.finish], "stop_sequence": None}
        yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": said.completion_tokens}}
        yield {"type": "message_stop"}

    @staticmethod
    def _event(value):
        return f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode()


DIALECTS = {dialect.plugin: dialect for dialect in (OpenAi, Anthropic)}

WEATHER = ("call_par1s", "weather", {"city": "Paris", "unit": "celsius"})
ROME = ("call_r0me", "weather", {"city": "Rome", "unit": "celsius"})

SCENES = {
    "Say hello.": Said("Hello there, how are you? \u00e9\u4e16\U0001f30d"),
    "How is the weather in Paris?": Said("", [WEATHER], "tool_calls"),
    "How is the weather in Paris and Rome?": Said("Let me look.", [WEATHER, ROME], "tool_calls"),
    "Ring the bell.": Said("", [("call_b3ll", "ring", {})], "tool_calls"),
    "after the tools": Said("It is 18 degrees in Paris."),
    "Name a river.": Said('{"name":"Loire","length_km":1006}'),
    "Write a long story.": Said("Once upon a time", finish="length"),
    "Fail with 400.": Fault(400, "invalid_request_error", "invalid_request_error", "The request makes no sense."),
    "Fail with 401.": Fault(401, "invalid_request_error", "authentication_error", "The key is wrong."),
    "Fail with 403.": Fault(403, "permission_error", "permission_error", "Not for you."),
    "Fail with 404.": Fault(404, "invalid_request_error", "not_found_error", "There is no such model."),
    "Fail with 429.": Fault(429, "rate_limit_error", "rate_limit_error", "Slow down.", {"retry_after": "7"}),
    "Fail with 500.": Fault(500, "server_error", "api_error", "Something broke."),
    "Fail with 503.": Fault(503, "server_error", "overloaded_error", "Overloaded."),
}


def script_of(dialect):
    """What an upstream of this dialect answers."""

    def script(asked):
        request = asked.json()
        text = dialect.last_text(request)
        unknown = Fault(418, "invalid_request_error", "invalid_request_error", f"no scene for {text!r}")
        return dialect.reply(request, SCENES.get(text, unknown))

    return script
