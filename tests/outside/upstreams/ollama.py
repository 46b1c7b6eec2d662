"""Ollama's own chat, of a build that gives calls no ids: arguments are objects, streams are lines, and the default."""

import json

from dialects import words_of
from upstream import Reply

from .dialect import Dialect, merged
from .scene import Assistant, Heard, Results, User, fields, require


class Ollama(Dialect):
    name = "ollama"
    model = "qwen3:4b"
    provider = {"preset": "ollama", "api_key": None}
    tells_cached = False
    tells_reasoning = False

    stream_headers = {"content-type": "application/x-ndjson"}

    def authenticate(self, asked):
        require("authorization" not in asked.headers, "a local server has no key", 401)

    def refusal(self, refused):
        return Reply.document({"error": refused.message}, refused.status)

    def call_id(self, number, position):
        return None

    # What it reads.

    def read(self, asked):
        require(asked.method == "POST" and asked.path == "/api/chat", f"no such path: {asked.path}", 404)
        known = "stream format keep_alive tools think logprobs top_logprobs options truncate shift"
        request = fields(asked.json(), "body", "model messages", known)
        require(request["model"] == self.model, f"model '{request['model']}' not found", 404)
        require(request.get("think") in (None, True, False), f"think value {request.get('think')!r} is not supported")
        system, entries = "", []
        for index, message in enumerate(request["messages"]):
            place = f"messages[{index}]"
            fields(message, place, "role", "content thinking images tool_calls tool_name tool_call_id")
            role, text = message["role"], message.get("content", "")
            require(isinstance(text, str), f"json: cannot unmarshal {place}.content into a string")
            if role == "system":
                system += text
            elif role == "user":
                entries.append(User(text))
            elif role == "assistant":
                calls = [self.call(call, place) for call in message.get("tool_calls") or []]
                entries.append(Assistant(text, calls, message.get("thinking") or ""))
            else:
                require(role == "tool", f"{place}.role: {role!r}")
                require(message.get("tool_name"), f"{place}: nothing says which tool this is of")
                entries.append(Results([(None, message["tool_name"], text)]))
        return Heard(
            merged(entries),
            stream=request.get("stream", True),
            thinks=bool(request.get("think")),
            system=system,
            tools=dict(self.tool(tool) for tool in request.get("tools") or []),
            schema=request.get("format"),
        )

    @staticmethod
    def call(call, place):
        function = fields(fields(call, place, "function", "id type")["function"], place, "name arguments", "index")
        arguments = function["arguments"]
        require(isinstance(arguments, dict), f"json: cannot unmarshal {place} {arguments!r} into an object")
        return None, function["name"], arguments

    @staticmethod
    def tool(tool):
        function = fields(fields(tool, "tools", "type function")["function"], "tools", "name parameters", "description")
        return function["name"], function["parameters"]

    # What it answers.

    def line(self, message, **more):
        head = {"model": self.model, "created_at": "2026-11-21T07:20:00.123456Z"}
        return head | {"message": {"role": "assistant", "content": ""} | message, "done": False} | more

    @staticmethod
    def end(turn):
        return {
            "done": True, "done_reason": "stop", "total_duration": 9592860750, "load_duration": 54884125,
            "prompt_eval_count": turn.prompt, "prompt_eval_duration": 201682083, "eval_count": turn.completion,
            "eval_duration": 8732379668,
        }  # fmt: skip

    @staticmethod
    def calls(turn):
        calls = enumerate(turn.calls)
        return [{"function": {"index": at, "name": call.name, "arguments": call.arguments}} for at, call in calls]

    def whole(self, number, turn):
        message = {"content": turn.text} | ({"thinking": turn.thought} if turn.thought else {})
        message |= {"tool_calls": self.calls(turn)} if turn.calls else {}
        return self.line(message, **self.end(turn))

    def pieces(self, number, turn, heard):
        lines = [self.line({"thinking": word}) for word in words_of(turn.thought)]
        lines += [self.line({"content": word}) for word in words_of(turn.text)]
        lines += [self.line({"tool_calls": [call]}) for call in self.calls(turn)]
        for line in [*lines, self.line({}, **self.end(turn))]:
            yield json.dumps(line, ensure_ascii=False).encode() + b"\n"
