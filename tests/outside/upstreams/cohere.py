"""Cohere's v2 chat: what was thought before calls is a plan, before a text a block; a stream's calls are objects."""

import json

from dialects import halves, words_of
from upstream import Reply

from .dialect import Dialect, event, merged
from .scene import Assistant, Heard, Results, User, arguments_of, fields, require, text_of

PARAMETERS = """stream tools strict_tools tool_choice documents citation_options response_format safety_mode max_tokens
    stop_sequences temperature seed frequency_penalty presence_penalty k p logprobs thinking priority"""


class Cohere(Dialect):
    name = "cohere"
    model = "command-a-reasoning-08-2025"
    provider = {"preset": "cohere"}
    tells_reasoning = False

    def refusal(self, refused):
        return Reply.document({"id": "e-1", "message": refused.message}, refused.status)

    def call_id(self, number, position):
        return f"tool_{number}{position}zq8hx"

    # What it reads.

    def read(self, asked):
        require(asked.method == "POST" and asked.path == "/v2/chat", f"no such path: {asked.path}", 404)
        request = fields(asked.json(), "body", "model messages", PARAMETERS)
        require(request["model"] == self.model, f"model '{request['model']}' not found", 404)
        thinking = request.get("thinking") or {}
        fields(thinking, "thinking", optional="type token_budget")
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
                    fields(message, place, "role tool_call_id content")
                    entries.append(Results([(message["tool_call_id"], None, self.result(message["content"], place))]))
        format = request.get("response_format")
        return Heard(
            merged(entries),
            stream=bool(request.get("stream")),
            thinks=thinking.get("type") == "enabled",
            system=system,
            tools=dict(self.tool(tool) for tool in request.get("tools") or []),
            schema=fields(format, "response_format", "type json_schema")["json_schema"] if format else None,
        )

    @staticmethod
    def assistant(message, place):
        fields(message, place, "role", "content tool_calls tool_plan citations")
        content, calls = message.get("content") or [], message.get("tool_calls") or []
        require(content or calls, f"{place}: must have content or tool calls")
        require(calls or "tool_plan" not in message, f"{place}: a plan without calls")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        # What was thought before a text may come back, and is of no more use.
        thought = message.get("tool_plan") or "".join(block.get("thinking", "") for block in blocks if calls)
        text = [block for block in blocks if block["type"] != "thinking"]
        read = []
        for call in calls:
            function = fields(fields(call, place, "id type function")["function"], place, "name arguments")
            read.append((call["id"], function["name"], arguments_of(function["arguments"], place)))
        return Assistant(text_of(text, place) if text else "", read, thought)

    @staticmethod
    def result(content, place):
        """A text, or documents."""
        if isinstance(content, str) or content[0].get("type") == "text":
            return text_of(content, place)
        documents = [fields(part, place, "type document")["document"]["data"] for part in content]
        return "".join(data if isinstance(data, str) else json.dumps(data) for data in documents)

    @staticmethod
    def tool(tool):
        function = fields(fields(tool, "tools", "type function")["function"], "tools", "name parameters", "description")
        return function["name"], function["parameters"]

    def thought_back(self, number, turn):
        return turn.thought if turn.calls else ""

    # What it answers.

    def usage(self, turn):
        return {
            "billed_units": {"input_tokens": 11, "output_tokens": 3},
            "tokens": {"input_tokens": turn.prompt, "output_tokens": turn.completion},
            "cached_tokens": turn.cached,
        }

    @staticmethod
    def finish(turn):
        return "TOOL_CALL" if turn.calls else "COMPLETE"

    def calls(self, number, turn):
        for position, call in enumerate(turn.calls):
            function = {"name": call.name, "arguments": json.dumps(call.arguments)}
            yield {"id": self.call_id(number, position), "type": "function", "function": function}

    @staticmethod
    def blocks(turn):
        thought = "" if turn.calls else turn.thought
        return [(kind, text) for kind, text in (("thinking", thought), ("text", turn.text)) if text]

    def whole(self, number, turn):
        message = {"role": "assistant"}
        message |= {"tool_calls": list(self.calls(number, turn))} if turn.calls else {}
        message |= {"tool_plan": turn.thought} if turn.calls and turn.thought else {}
        content = [{"type": kind, kind: text} for kind, text in self.blocks(turn)]
        message |= {"content": content} if content else {}
        return {"id": "cq7-1", "finish_reason": self.finish(turn), "message": message, "usage": self.usage(turn)}

    def pieces(self, number, turn, heard):
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        yield event({"id": "cq7-1", "type": "message-start", "delta": {"message": message}})
        for word in words_of(turn.thought if turn.calls else ""):
            yield event({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": word}}})
        for index, (kind, text) in enumerate(self.blocks(turn)):
            yield self.told("content-start", index, content={"type": kind, kind: ""})
            for word in words_of(text):
                yield self.told("content-delta", index, content={kind: word})
            yield event({"type": "content-end", "index": index})
        for index, call in enumerate(self.calls(number, turn)):
            arguments = call["function"]["arguments"]
            yield self.told(
                "tool-call-start", index, tool_calls=call | {"function": call["function"] | {"arguments": ""}}
            )
            for fragment in halves(arguments):
                yield self.told("tool-call-delta", index, tool_calls={"function": {"arguments": fragment}})
            yield event({"type": "tool-call-end", "index": index})
        delta = {"finish_reason": self.finish(turn), "usage": self.usage(turn)}
        yield event({"type": "message-end", "id": "cq7-1", "delta": delta})
        yield b"data: [DONE]\n\n"

    @staticmethod
    def told(kind, index, **message):
        return event({"type": kind, "index": index, "delta": {"message": message}})
