"""OpenAI's Chat Completions. `openai_accents.py` has those that speak it with an accent."""

import json

from dialects import halves, words_of

from .dialect import Dialect, data, merged
from .openai_responses import Responses
from .scene import Assistant, Heard, Results, User, arguments_of, fields, require, text_of

PARAMETERS = """audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens metadata
    modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key reasoning_effort response_format
    safety_identifier seed service_tier stop store stream stream_options temperature tool_choice tools top_logprobs
    top_p user verbosity web_search_options"""


class OpenAi(Dialect):
    """OpenAI: shows no thoughts in Chat Completions, and refuses fields of others."""

    name = "openai"
    model = "gpt-5"
    base_path = "/v1"
    provider = {"preset": "openai"}
    shows_thoughts = False

    parameters = PARAMETERS
    path = "/v1/chat/completions"
    responses_path = "/v1/responses"
    # The name of the model in requests, where it is another one.
    served = None
    # Fields of an assistant's message besides those that the official SDK writes.
    accents = ""

    def form(self, asked):
        return Responses(self, self.served or self.model) if asked.path == self.responses_path else self

    def read(self, asked):
        require(asked.method == "POST" and asked.path == self.path, f"no such path: {asked.path}", 404)
        request = fields(asked.json(), "body", "messages model", self.parameters)
        require(request["model"] == (self.served or self.model), f"no such model: {request['model']}", 404)
        require(request.get("stream") or "stream_options" not in request, "stream_options without stream")
        system, entries = [], []
        for index, message in enumerate(request["messages"]):
            place = f"messages[{index}]"
            role = message.get("role")
            if role in ("system", "developer", "user"):
                text = text_of(fields(message, place, "role content", "name")["content"], place)
                (entries if role == "user" else system).append(User(text))
            elif role == "assistant":
                entries.append(self.assistant(message, place))
            else:
                require(role == "tool", f"{place}.role: {role!r}")
                fields(message, place, "role content tool_call_id")
                entries.append(Results([(message["tool_call_id"], None, text_of(message["content"], place))]))
        return Heard(
            merged(entries),
            stream=bool(request.get("stream")),
            thinks=request.get("reasoning_effort") not in (None, "none"),
            system="".join(said.text for said in system),
            tools=dict(self.tool(tool) for tool in request.get("tools") or []),
            schema=self.schema(request.get("response_format")),
            usage=bool((request.get("stream_options") or {}).get("include_usage")),
        )

    def assistant(self, message, place):
        known = "content tool_calls refusal audio function_call annotations name parsed " + self.accents
        fields(message, place, "role", known)
        for name in ("refusal", "audio", "function_call", "annotations", "parsed"):
            require(not message.get(name), f"{place}.{name}: {message.get(name)!r}")
        require(message.get("content") or message.get("tool_calls"), f"{place}: says nothing")
        content = text_of(message["content"], place) if message.get("content") else ""
        calls = [self.call(call, place) for call in message.get("tool_calls") or []]
        return Assistant(content, calls, self.thought(message))

    def call(self, call, place):
        fields(call, place, "id type function", "index")
        function = fields(call["function"], place, "name arguments", "parsed_arguments")
        require(not function.get("parsed_arguments"), f"{place}: {function}")
        return call["id"], function["name"], arguments_of(function["arguments"], place)

    def thought(self, message):
        return ""

    def thought_back(self, number, turn):
        return ""

    @staticmethod
    def tool(tool):
        function = fields(tool, "tools", "type function")["function"]
        fields(function, "tools.function", "name parameters", "description strict")
        return function["name"], function["parameters"]

    @staticmethod
    def schema(response_format):
        if not response_format:
            return None
        require(response_format["type"] == "json_schema", f"response_format: {response_format}")
        return fields(response_format["json_schema"], "response_format", "name schema", "strict description")["schema"]

    # What it answers.

    def head(self, kind):
        return {
            "id": "chatcmpl-Cq7", "object": f"chat.completion{kind}", "created": 1763700000, "model": self.model,
            "service_tier": "default", "system_fingerprint": None,
        }  # fmt: skip

    def usage(self, turn):
        return {
            "prompt_tokens": turn.prompt,
            "completion_tokens": turn.completion,
            "total_tokens": turn.prompt + turn.completion,
            "prompt_tokens_details": {"cached_tokens": turn.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": turn.reasoning, "audio_tokens": 0},
        }

    @staticmethod
    def finish(turn):
        return "tool_calls" if turn.calls else "stop"

    def calls(self, number, turn):
        for position, call in enumerate(turn.calls):
            function = {"name": call.name, "arguments": json.dumps(call.arguments)}
            yield {"id": self.call_id(number, position), "type": "function", "function": function}

    def whole(self, number, turn):
        message = {"role": "assistant", "content": turn.text or None, "refusal": None, "annotations": []}
        if turn.calls:
            message["tool_calls"] = list(self.calls(number, turn))
        message |= self.thoughts(turn)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish(turn)}
        return self.head("") | {"choices": [choice], "usage": self.usage(turn)}

    def thoughts(self, turn):
        """The fields of a message, or of a delta, that tell what was thought."""
        return {}

    def deltas(self, number, turn):
        yield {"role": "assistant", "content": None if turn.calls else "", "refusal": None}
        for word in words_of(turn.text):
            yield {"content": word}
        for index, call in enumerate(self.calls(number, turn)):
            arguments = call["function"]["arguments"]
            yield {"tool_calls": [{"index": index} | call | {"function": call["function"] | {"arguments": ""}}]}
            for fragment in halves(arguments):
                yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}

    def chunk(self, delta, finish=None):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self.head(".chunk") | {"choices": [choice], "usage": None, "obfuscation": "nR4x"}

    def pieces(self, number, turn, heard):
        for delta in self.deltas(number, turn):
            yield data(self.chunk(delta))
        yield data(self.chunk({}, self.finish(turn)))
        if heard.usage:
            yield data(self.head(".chunk") | {"choices": [], "usage": self.usage(turn)})
        yield b"data: [DONE]\n\n"
