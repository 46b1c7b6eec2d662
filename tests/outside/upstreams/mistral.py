"""Mistral's chat: close to OpenAI's, with thoughts as parts of the content, ids of nine letters, and no mercy for
fields that it does not know."""

import json

from dialects import halves, words_of
from upstream import Reply

from .dialect import Dialect, data, merged
from .scene import Assistant, Heard, Results, User, arguments_of, fields, require, text_of

PARAMETERS = """stream temperature top_p max_tokens stop random_seed metadata response_format tools tool_choice
    presence_penalty frequency_penalty n prediction parallel_tool_calls prompt_mode reasoning_effort guardrails
    safe_prompt prompt_cache_key"""


class Mistral(Dialect):
    name = "mistral"
    model = "mistral-small-latest"
    base_path = "/v1"
    provider = {"preset": "mistral"}
    tells_reasoning = False

    def refusal(self, refused):
        if refused.message.startswith("body: unknown"):
            detail = [{"type": "extra_forbidden", "loc": ["body"], "msg": refused.message, "input": None}]
            return Reply.document({"detail": detail}, 422)
        error = {"object": "error", "message": refused.message, "type": "invalid_request_error", "param": None}
        return Reply.document(error | {"code": "3230", "raw_status_code": refused.status}, refused.status)

    def call_id(self, number, position):
        return f"Zq8hx0{number}{position}A"

    # What it reads.

    def read(self, asked):
        require(asked.method == "POST" and asked.path == "/v1/chat/completions", f"no such path: {asked.path}", 404)
        request = fields(asked.json(), "body", "model messages", PARAMETERS)
        require(request["model"] == self.model, f"Invalid model: {request['model']}")
        require(request["messages"][-1]["role"] in ("user", "tool"), "Expected last role User or Tool")
        system, entries = "", []
        for index, message in enumerate(request["messages"]):
            place = f"messages[{index}]"
            match message.get("role"):
                case "system":
                    system += text_of(fields(message, place, "role content")["content"], place)
                case "user":
                    entries.append(User(text_of(fields(message, place, "role content")["content"], place)))
                case "assistant":
                    entries.append(self.assistant(message, place))
                case role:
                    require(role == "tool", f"{place}.role: {role!r}")
                    fields(message, place, "role tool_call_id content", "name")
                    text = text_of(message["content"], place)
                    entries.append(Results([(message["tool_call_id"], message.get("name"), text)]))
        format = request.get("response_format")
        schema = fields(format, "response_format", "type json_schema")["json_schema"] if format else None
        return Heard(
            merged(entries),
            stream=bool(request.get("stream")),
            thinks=request.get("reasoning_effort") not in (None, "none"),
            system=system,
            tools=dict(self.tool(tool) for tool in request.get("tools") or []),
            schema=fields(schema, "json_schema", "name schema", "strict description")["schema"] if schema else None,
        )

    @staticmethod
    def assistant(message, place):
        fields(message, place, "role", "content tool_calls prefix")
        content = message.get("content") or []
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        thought = text = ""
        for part in parts:
            if part.get("type") == "thinking":
                thought += text_of(fields(part, place, "type thinking", "closed signature")["thinking"], place)
            else:
                text += text_of([part], place)
        calls = []
        for call in message.get("tool_calls") or []:
            function = fields(fields(call, place, "id function", "type index")["function"], place, "name arguments")
            short = len(call["id"]) == 9 and call["id"].isascii() and call["id"].isalnum()
            require(short, f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9.")
            calls.append((call["id"], function["name"], arguments_of(function["arguments"], place)))
        require(parts or calls, "Assistant message must have either content or tool_calls.")
        return Assistant(text, calls, thought)

    @staticmethod
    def tool(tool):
        function = fields(
            fields(tool, "tools", "function", "type")["function"], "tools", "name parameters", "description strict"
        )
        return function["name"], function["parameters"]

    # What it answers.

    def head(self, kind):
        return {"id": "cq7f0e", "object": f"chat.completion{kind}", "created": 1763700000, "model": self.model}

    @staticmethod
    def usage(turn):
        total = turn.prompt + turn.completion
        usage = {"prompt_tokens": turn.prompt, "completion_tokens": turn.completion, "total_tokens": total}
        return usage | {"num_cached_tokens": turn.cached}

    @staticmethod
    def finish(turn):
        return "tool_calls" if turn.calls else "stop"

    @staticmethod
    def thinking(text):
        return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}

    def calls(self, number, turn):
        for position, call in enumerate(turn.calls):
            function = {"name": call.name, "arguments": json.dumps(call.arguments)}
            yield {"id": self.call_id(number, position), "function": function, "index": position}

    def whole(self, number, turn):
        content = turn.text
        if turn.thought:
            content = [self.thinking(turn.thought) | {"closed": True}]
            content += [{"type": "text", "text": turn.text}] if turn.text else []
        message = {"role": "assistant", "content": content, "tool_calls": list(self.calls(number, turn)) or None}
        choice = {"index": 0, "finish_reason": self.finish(turn), "message": message}
        return self.head("") | {"choices": [choice], "usage": self.usage(turn)}

    def deltas(self, number, turn):
        yield {"role": "assistant", "content": ""}
        for word in words_of(turn.thought):
            yield {"content": [self.thinking(word)]}
        for word in words_of(turn.text):
            yield {"content": word}
        first, *others = list(self.calls(number, turn)) or [None]
        if first:
            # One call in pieces, the others whole: both occur.
            for fragment in halves(first["function"]["arguments"]):
                yield {"tool_calls": [first | {"function": first["function"] | {"arguments": fragment}}]}
                first = {"id": "null", "function": {"name": ""}, "index": 0}
            yield from ({"tool_calls": [call]} for call in others)

    def pieces(self, number, turn, heard):
        *deltas, last = self.deltas(number, turn)
        for delta in deltas:
            yield self.chunk(delta, None)
        # The last words, the end and the usage come together.
        yield self.chunk(last, self.finish(turn), usage=self.usage(turn))
        yield b"data: [DONE]\n\n"

    def chunk(self, delta, finish, **more):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return data(self.head(".chunk") | {"choices": [choice], "p": "abcdefgh"} | more)
