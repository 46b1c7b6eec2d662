"""OpenAI's Responses: what was thought comes sealed, and has to come back before the calls that it led to."""

import json

from dialects import halves, words_of

from .dialect import event, merged
from .scene import Assistant, Heard, Results, User, arguments_of, fields, require, text_of

PARAMETERS = """include instructions max_output_tokens max_tool_calls metadata parallel_tool_calls prompt_cache_key
    reasoning safety_identifier service_tier store stream stream_options temperature text tool_choice tools top_logprobs
    top_p truncation user"""


class Responses:
    """The second API of a provider, which is the `owner`."""

    stream_headers = {"content-type": "text/event-stream; charset=utf-8"}

    def __init__(self, owner, model):
        self.model = model
        self.call_id = owner.call_id

    def read(self, asked):
        request = fields(asked.json(), "body", "model input", PARAMETERS)
        require(request["model"] == self.model, f"no such model: {request['model']}", 404)
        require(request.get("store") is False, "the script keeps nothing: store has to be false")
        require("reasoning.encrypted_content" in (request.get("include") or []), "nothing would be sealed")
        given = request["input"]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        system = [request.get("instructions") or ""]
        system += [item["content"] for item in items if item.get("role") in ("system", "developer")]
        entries = self.entries([item for item in items if item.get("role") not in ("system", "developer")])
        format = (request.get("text") or {}).get("format")
        reasoning = request.get("reasoning") or {}
        return Heard(
            merged(entries),
            stream=bool(request.get("stream")),
            thinks=reasoning.get("effort") not in (None, "none"),
            system="".join(system),
            tools=dict(self.tool(tool) for tool in request.get("tools") or []),
            schema=fields(format, "text.format", "type name schema", "strict")["schema"] if format else None,
        )

    def entries(self, items):
        entries, sealed = [], ""
        for index, item in enumerate(items):
            place, kind = f"input[{index}]", item.get("type", "message")
            if kind == "message" and item["role"] == "user":
                content = fields(item, place, "role content", "type")["content"]
                entries.append(User(text_of(content, place, kind="input_text")))
            elif kind == "reasoning":
                fields(item, place, "type id summary encrypted_content", "content status")
                sealed = item["encrypted_content"]
            elif kind == "function_call_output":
                fields(item, place, "type call_id output", "id status")
                entries.append(Results([(item["call_id"], None, item["output"])]))
            else:
                self.say(entries, item, place, sealed)
                sealed = ""
        require(not sealed, "reasoning without the item that has to follow it")
        return entries

    @staticmethod
    def say(entries, item, place, sealed):
        """What the assistant said or called: several items may be one turn."""
        goes_on = entries and isinstance(entries[-1], Assistant) and not sealed
        assistant = entries[-1] if goes_on else Assistant(thought=sealed)
        if not goes_on:
            entries.append(assistant)
        if item["type"] == "function_call":
            fields(item, place, "type call_id name arguments", "id status namespace")
            assistant.calls.append((item["call_id"], item["name"], arguments_of(item["arguments"], place)))
            return
        fields(item, place, "type id role status content", "phase")
        [part] = item["content"]
        fields(part, place, "type text annotations", "logprobs")
        assistant.text += part["text"]

    def thought_back(self, number, turn):
        return f"sealed:{number}:{len(turn.thought)}" if turn.thought else ""

    def may_lose(self, thought):
        return False

    @staticmethod
    def tool(tool):
        fields(tool, "tools", "type name parameters", "description strict")
        return tool["name"], tool["parameters"]

    # What it answers.

    def response(self, status, output, usage=None):
        return {
            "id": "resp_Cq7", "object": "response", "created_at": 1763700000, "status": status, "error": None,
            "incomplete_details": None, "instructions": None, "metadata": {}, "model": self.model,
            "output": output, "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [],
            "top_p": 1.0, "usage": usage, "store": False,
        }  # fmt: skip

    @staticmethod
    def usage(turn):
        return {
            "input_tokens": turn.prompt,
            "input_tokens_details": {"cached_tokens": turn.cached, "cache_write_tokens": 0},
            "output_tokens": turn.completion,
            "output_tokens_details": {"reasoning_tokens": turn.reasoning},
            "total_tokens": turn.prompt + turn.completion,
        }

    def output(self, number, turn):
        if turn.thought:
            summary = [{"type": "summary_text", "text": turn.thought}]
            sealed = self.thought_back(number, turn)
            yield {"id": f"rs_{number}", "type": "reasoning", "summary": summary, "encrypted_content": sealed}
        for position, call in enumerate(turn.calls):
            yield {
                "id": f"fc_{number}{position}", "type": "function_call", "status": "completed", "name": call.name,
                "call_id": self.call_id(number, position), "arguments": json.dumps(call.arguments),
            }  # fmt: skip
        if turn.text:
            part = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
            yield {
                "id": f"msg_{number}",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [part],
            }

    def whole(self, number, turn):
        return self.response("completed", list(self.output(number, turn)), self.usage(turn))

    def pieces(self, number, turn, heard):
        for sequence, told in enumerate(self.events(number, turn)):
            yield event(told | {"sequence_number": sequence})

    def events(self, number, turn):
        output = list(self.output(number, turn))
        for kind in ("created", "in_progress"):
            yield {"type": f"response.{kind}", "response": self.response("in_progress", [])}
        for index, item in enumerate(output):
            begun = (
                {"summary": [], "encrypted_content": ""} if item["type"] == "reasoning" else {"status": "in_progress"}
            )
            begun |= {"arguments": ""} if item["type"] == "function_call" else {}
            begun |= {"content": []} if item["type"] == "message" else {}
            yield {"type": "response.output_item.added", "output_index": index, "item": item | begun}
            for told in getattr(self, item["type"])(item):
                yield {"item_id": item["id"], "output_index": index} | told
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
        response = self.response("completed", output, self.usage(turn))
        yield {"type": "response.completed", "response": response}

    @staticmethod
    def reasoning(item):
        [part] = item["summary"]
        at = {"summary_index": 0}
        yield {"type": "response.reasoning_summary_part.added", "part": part | {"text": ""}} | at
        for word in words_of(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", "delta": word} | at
        yield {"type": "response.reasoning_summary_text.done", "text": part["text"]} | at
        yield {"type": "response.reasoning_summary_part.done", "part": part} | at

    @staticmethod
    def function_call(item):
        for fragment in halves(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", "delta": fragment}
        yield {"type": "response.function_call_arguments.done", "arguments": item["arguments"], "name": item["name"]}

    @staticmethod
    def message(item):
        [part] = item["content"]
        at = {"content_index": 0}
        yield {"type": "response.content_part.added", "part": part | {"text": ""}} | at
        for word in words_of(part["text"]):
            yield {"type": "response.output_text.delta", "delta": word, "logprobs": []} | at
        yield {"type": "response.output_text.done", "text": part["text"], "logprobs": []} | at
        yield {"type": "response.content_part.done", "part": part} | at
