"""Anthropic's Messages: signed thoughts have to come back as they were, and results right behind their calls."""

import json

from dialects import halves, words_of
from gateway import UPSTREAM_SECRET
from upstream import Reply

from .dialect import Dialect, event, merged
from .scene import Assistant, Heard, Results, User, fields, require, text_of

PARAMETERS = """system tools tool_choice stream temperature top_p top_k stop_sequences metadata thinking output_config
    service_tier cache_control container mcp_servers context_management"""


class Anthropic(Dialect):
    name = "anthropic"
    model = "claude-sonnet-5"
    provider = {"preset": "anthropic"}
    tells_reasoning = False

    def authenticate(self, asked):
        key = asked.headers.get("x-api-key") or asked.headers.get("authorization", "").removeprefix("Bearer ")
        require(key == UPSTREAM_SECRET, "invalid x-api-key", 401)
        version = asked.headers.get("anthropic-version", "")
        require(version >= "2023-06-01", f"anthropic-version: header is required, not {version!r}")

    def refusal(self, refused):
        kind = "authentication_error" if refused.status == 401 else "invalid_request_error"
        return Reply.document({"type": "error", "error": {"type": kind, "message": refused.message}}, refused.status)

    def call_id(self, number, position):
        return f"toolu_0{number}{position}Zq"

    # What it reads.

    def read(self, asked):
        require(asked.method == "POST" and asked.path == "/v1/messages", f"no such path: {asked.path}", 404)
        request = fields(asked.json(), "body", "model messages max_tokens", PARAMETERS)
        require(request["model"] == self.model, f"model: {request['model']}", 404)
        thinking = request.get("thinking") or {"type": "disabled"}
        thinks = self.thinks(request, thinking)
        entries = []
        for index, message in enumerate(request["messages"]):
            place = f"messages.{index}"
            fields(message, place, "role content")
            require(message["role"] in ("user", "assistant"), f"{place}.role: {message['role']}")
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            if message["role"] == "user":
                entries.extend(self.user(blocks, place))
            else:
                entries.append(self.assistant(blocks, place, thinks))
        format = (request.get("output_config") or {}).get("format")
        return Heard(
            merged(entries),
            stream=bool(request.get("stream")),
            thinks=thinks,
            system=text_of(request.get("system") or "", "system"),
            tools=dict(self.tool(tool) for tool in request.get("tools") or []),
            schema=fields(format, "output_config.format", "type schema")["schema"] if format else None,
        )

    @staticmethod
    def thinks(request, thinking):
        if thinking["type"] == "disabled":
            return False
        require(request.get("temperature", 1) == 1, "temperature may only be set to 1 when thinking is enabled")
        forced = (request.get("tool_choice") or {}).get("type") in ("any", "tool")
        require(not forced, "Thinking may not be enabled when tool_choice forces tool use.")
        if thinking["type"] == "enabled":
            budget = fields(thinking, "thinking", "type budget_tokens", "display")["budget_tokens"]
            require(1024 <= budget < request["max_tokens"], f"thinking.budget_tokens: {budget}")
        else:
            require(fields(thinking, "thinking", "type", "display")["type"] == "adaptive", f"thinking: {thinking}")
        return True

    @staticmethod
    def user(blocks, place):
        results = []
        said = []
        for block in blocks:
            if block.get("type") == "tool_result":
                require(not said, f"{place}: results have to come first")
                fields(block, place, "type tool_use_id", "content is_error cache_control")
                results.append((block["tool_use_id"], None, text_of(block.get("content") or "", place)))
            else:
                said.append(User(text_of([block], place)))
        return [Results(results), *said] if results else said

    @staticmethod
    def assistant(blocks, place, thinks):
        text, calls, thoughts = "", [], []
        for block in blocks:
            match block.get("type"):
                case "thinking":
                    fields(block, place, "type thinking signature")
                    thoughts.append(block)
                case "redacted_thinking":
                    thoughts.append(fields(block, place, "type data"))
                case "tool_use":
                    fields(block, place, "type id name input", "cache_control caller")
                    require(isinstance(block["input"], dict), f"{place}: input is an object, not {block['input']!r}")
                    require(
                        all(c.isascii() and (c.isalnum() or c in "_-") for c in block["id"]), f"{place}: {block['id']}"
                    )
                    calls.append((block["id"], block["name"], block["input"]))
                case _:
                    text += text_of([{name: block[name] for name in block if name != "citations"}], place)
        begins = blocks and blocks[0].get("type") in ("thinking", "redacted_thinking")
        require(
            begins or not (calls and thinks), f"{place}: Expected `thinking` or `redacted_thinking`, but found none"
        )
        return Assistant(text, calls, thoughts)

    @staticmethod
    def tool(tool):
        fields(tool, "tools", "name input_schema", "description type strict cache_control")
        require(tool["input_schema"].get("type") == "object", "tools.input_schema.type: Field required")
        return tool["name"], tool["input_schema"]

    def thought_back(self, number, turn):
        if not turn.thought:
            return []
        signature = f"c2lnbmVk{number}{len(turn.thought)}=="
        thoughts = [{"type": "thinking", "thinking": turn.thought, "signature": signature}]
        # A thought that nobody is to read.
        return thoughts + [{"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="}] * (number == 1)

    def may_lose(self, thought):
        return False

    # What it answers.

    def message(self, content, stop_reason, usage):
        return {
            "id": "msg_01Cq7", "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": stop_reason, "stop_sequence": None, "usage": usage,
        }  # fmt: skip

    @staticmethod
    def usage(turn, output):
        return {
            "input_tokens": turn.prompt - turn.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": turn.cached,
            "output_tokens": output,
            "service_tier": "standard",
        }

    @staticmethod
    def stop_reason(turn):
        return "tool_use" if turn.calls else "end_turn"

    def content(self, number, turn):
        yield from self.thought_back(number, turn)
        if turn.text:
            yield {"type": "text", "text": turn.text}
        for position, call in enumerate(turn.calls):
            yield {"type": "tool_use", "id": self.call_id(number, position), "name": call.name, "input": call.arguments}

    def whole(self, number, turn):
        usage = self.usage(turn, turn.completion)
        return self.message(list(self.content(number, turn)), self.stop_reason(turn), usage)

    def pieces(self, number, turn, heard):
        yield event({"type": "message_start", "message": self.message([], None, self.usage(turn, 1))})
        yield event({"type": "ping"})
        for index, block in enumerate(self.content(number, turn)):
            begun, deltas = self.begun(block)
            yield event({"type": "content_block_start", "index": index, "content_block": begun})
            for delta in deltas:
                yield event({"type": "content_block_delta", "index": index, "delta": delta})
            yield event({"type": "content_block_stop", "index": index})
        delta = {"stop_reason": self.stop_reason(turn), "stop_sequence": None}
        yield event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": turn.completion}})
        yield event({"type": "message_stop"})

    @staticmethod
    def begun(block):
        """How a block begins, and what is added to it."""
        match block["type"]:
            case "thinking":
                deltas = [{"type": "thinking_delta", "thinking": word} for word in words_of(block["thinking"])]
                signed = {"type": "signature_delta", "signature": block["signature"]}
                return block | {"thinking": "", "signature": ""}, [*deltas, signed]
            case "text":
                return block | {"text": ""}, [{"type": "text_delta", "text": word} for word in words_of(block["text"])]
            case "tool_use":
                fragments = ["", *halves(json.dumps(block["input"]))] if block["input"] else [""]
                return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": f} for f in fragments]
            case _:
                return block, []
