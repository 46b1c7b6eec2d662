"""Google's generateContent, at the Gemini API and at Vertex AI: a call's signature has to come back with it."""

import base64
import json

from dialects import words_of
from gateway import UPSTREAM_SECRET
from upstream import Reply

from .dialect import Dialect, merged
from .scene import Assistant, Heard, Results, User, fields, require

PARAMETERS = "systemInstruction tools toolConfig generationConfig safetySettings cachedContent labels serviceTier"
GENERATION = """maxOutputTokens temperature topP topK stopSequences candidateCount seed presencePenalty frequencyPenalty
    responseMimeType responseJsonSchema responseSchema thinkingConfig responseLogprobs logprobs responseModalities"""

# What Google documents for calls that no Gemini made.
PLACEHOLDER = "skip_thought_signature_validator"


class Gemini(Dialect):
    """The Gemini API with a model of the third generation, which insists on signatures."""

    name = "gemini"
    model = "gemini-3-flash-preview"
    provider = {"preset": "gemini"}
    folder = "/v1beta/models"
    insists = True

    def authenticate(self, asked):
        require(asked.headers.get("x-goog-api-key") == UPSTREAM_SECRET, "API key not valid.")

    def refusal(self, refused):
        status = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND"}[refused.status]
        error = {"code": refused.status, "message": refused.message, "status": status}
        return Reply.document({"error": error}, refused.status)

    def call_id(self, number, position):
        return f"4b{number}{position}c8f2"

    # What it reads.

    def read(self, asked):
        path = f"{self.folder}/{self.model}:"
        whole, stream = path + "generateContent", path + "streamGenerateContent?alt=sse"
        require(asked.method == "POST" and asked.path in (whole, stream), f"no such path: {asked.path}", 404)
        request = fields(asked.json(), "body", "contents", PARAMETERS)
        config = fields(request.get("generationConfig") or {}, "generationConfig", optional=GENERATION)
        schema = config.get("responseJsonSchema")
        thinking = config.get("thinkingConfig") or {}
        require(not schema or config.get("responseMimeType") == "application/json", "responseMimeType is not set")
        system = fields(request.get("systemInstruction") or {"parts": []}, "systemInstruction", "parts", "role")
        entries = []
        for index, content in enumerate(request["contents"]):
            place = f"contents[{index}]"
            fields(content, place, "role parts")
            require(content["role"] in ("user", "model"), "Please use a valid role: user, model.")
            speaks = entries and type(entries[-1]) is Assistant
            require(speaks is not (content["role"] == "model") or not entries, f"{place}: roles have to alternate")
            read = self.model_turn if content["role"] == "model" else self.user_turn
            entries.append(read(content["parts"], place))
        return Heard(
            merged(entries),
            stream=asked.path == stream,
            thinks=bool(thinking.get("includeThoughts") or thinking.get("include_thoughts")),
            system="".join(fields(part, "systemInstruction", "text")["text"] for part in system["parts"]),
            tools=dict(
                self.tool(tool) for tools in request.get("tools") or [] for tool in tools["functionDeclarations"]
            ),
            schema=schema,
        )

    @staticmethod
    def user_turn(parts, place):
        if "functionResponse" not in parts[0]:
            texts = [fields(part, place, "text")["text"] for part in parts]
            require(all(texts), f"{place}: empty text parameter")
            return User("".join(texts))
        results = []
        for part in parts:
            result = fields(part, place, "functionResponse")["functionResponse"]
            fields(result, place, "name response", "id")
            response = result["response"]
            require(isinstance(response, dict), f"{place}: response is an object, not {response!r}")
            text = response["result"] if list(response) == ["result"] else json.dumps(response)
            results.append((result.get("id"), result["name"], text))
        return Results(results)

    def model_turn(self, parts, place):
        text, calls, signatures = "", [], []
        for part in parts:
            if "functionCall" in part:
                fields(part, place, "functionCall", "thoughtSignature")
                call = fields(part["functionCall"], place, "name", "args id")
                calls.append((call.get("id"), call["name"], call.get("args") or {}))
            else:
                fields(part, place, "text", "thoughtSignature thought")
                text += "" if part.get("thought") else part["text"]
            signatures.append(part.get("thoughtSignature", ""))
        require(not (self.insists and calls and not any(signatures)), "Function call is missing a thought_signature")
        return Assistant(text, calls, "".join(signatures))

    @staticmethod
    def tool(tool):
        # Google takes every name in either spelling, and its own SDK mixes them.
        fields(tool, "functionDeclarations", "name", "description parametersJsonSchema parameters_json_schema")
        return tool["name"], tool.get("parametersJsonSchema") or tool.get("parameters_json_schema")

    def thought_back(self, number, turn):
        # Signed is what led to a call, and what was thought before a text: whether or not the thoughts are shown.
        return base64.b64encode(f"signed {number}".encode()).decode() if number < 3 else ""

    def may_lose(self, thought):
        return thought in (PLACEHOLDER, "")

    # What it answers.

    def answer(self, parts, finish, turn):
        usage = {
            "promptTokenCount": turn.prompt,
            "candidatesTokenCount": turn.completion - turn.reasoning,
            "totalTokenCount": turn.prompt + turn.completion,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": turn.prompt}],
        }
        usage |= {"thoughtsTokenCount": turn.reasoning} if turn.reasoning else {}
        usage |= {"cachedContentTokenCount": turn.cached} if turn.cached else {}
        candidate = {"content": {"parts": parts, "role": "model"}, "index": 0} | (
            {"finishReason": finish} if finish else {}
        )
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": self.model, "responseId": "Cq7aAb"}

    def calls(self, number, turn):
        """Of the calls of one turn only the first one is signed."""
        for position, call in enumerate(turn.calls):
            id = self.call_id(number, position)
            part = {"functionCall": {"name": call.name, "args": call.arguments} | ({"id": id} if id else {})}
            yield part | ({} if position else {"thoughtSignature": self.thought_back(number, turn)})

    def whole(self, number, turn):
        parts = [{"text": turn.thought, "thought": True}] if turn.thought else []
        signature = self.thought_back(number, turn)
        signed = {"thoughtSignature": signature} if signature else {}
        parts += [{"text": turn.text} | signed] if turn.text else []
        return self.answer(parts + list(self.calls(number, turn)), "STOP", turn)

    def pieces(self, number, turn, heard):
        parts = [{"text": word, "thought": True} for word in words_of(turn.thought)]
        parts += [{"text": word} for word in words_of(turn.text)] + list(self.calls(number, turn))
        for part in parts:
            yield self.data(self.answer([part], None, turn))
        # The signature of a text comes behind it, on a part of its own.
        signature = "" if turn.calls else self.thought_back(number, turn)
        signed = {"thoughtSignature": signature} if signature else {}
        yield self.data(self.answer([{"text": ""} | signed], "STOP", turn))

    @staticmethod
    def data(value):
        return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"


class Vertex(Gemini):
    """Vertex AI with a model of the second generation: a token for a key, no ids, signatures as a courtesy."""

    name = "vertex"
    model = "gemini-2.5-flash"
    provider = {"plugin": "gemini", "settings": {"project": "our-project", "location": "global"}}
    folder = "/v1beta1/projects/our-project/locations/global/publishers/google/models"
    insists = False

    def authenticate(self, asked):
        Dialect.authenticate(self, asked)

    def call_id(self, number, position):
        return None
