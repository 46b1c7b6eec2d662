"""Converse of Amazon Bedrock, with a Claude: requests are signed, and streams are binary frames. The model of the API
that botocore brings says what is allowed."""

import json
import struct
import zlib
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session
from botocore.validate import ParamValidator

from dialects import halves, words_of
from upstream import Reply

from .dialect import Dialect
from .scene import Assistant, Heard, Results, User, require

REGION = "eu-central-1"
ACCESS_KEY = "AKIAOUTSIDETESTS0001"
SECRET_KEY = "s3cr3t/of+the/outside/tests"


class Bedrock(Dialect):
    name = "bedrock"
    model = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
    provider = {
        "preset": "bedrock",
        "api_key": None,
        "aws": {"region": REGION, "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY},
    }
    tells_reasoning = False

    stream_headers = {"content-type": "application/vnd.amazon.eventstream"}

    def __init__(self):
        super().__init__()
        self.operation = Session().get_service_model("bedrock-runtime").operation_model("Converse")

    def authenticate(self, asked):
        """Signs what came once more, and compares."""
        scheme, _, rest = asked.headers.get("authorization", "").partition(" ")
        require(scheme == "AWS4-HMAC-SHA256", "Missing Authentication Token", 403)
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        signed = {name: asked.headers[name] for name in given["SignedHeaders"].split(";")}
        require("host" in signed and "x-amz-date" in signed, "the host or the date is not signed", 403)
        request = AWSRequest("POST", f"http://{asked.headers['host']}{asked.path}", signed, asked.body)
        request.context["timestamp"] = asked.headers["x-amz-date"]
        signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "bedrock", REGION)
        require(given["Credential"] == signer.scope(request), "The security token is invalid.", 403)
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        require(given["Signature"] == signature, "The request signature does not match", 403)

    def refusal(self, refused):
        kind = {400: "ValidationException", 403: "AccessDeniedException", 404: "ResourceNotFoundException"}
        return Reply.document({"message": refused.message}, refused.status, x_amzn_errortype=kind[refused.status])

    def call_id(self, number, position):
        return f"tooluse_{number}{position}Zq8hx"

    # What it reads.

    def read(self, asked):
        # The colon of a model's name has to be escaped.
        whole = f"/model/{quote(self.model, safe='')}/converse"
        require(asked.method == "POST" and asked.path in (whole, whole + "-stream"), f"no such path: {asked.path}", 404)
        request = asked.json()
        report = ParamValidator().validate({"modelId": self.model, **request}, self.operation.input_shape)
        require(not report.has_errors(), report.generate_report())
        entries = []
        for index, message in enumerate(request["messages"]):
            role = ("user", "assistant")[index % 2]
            require(message["role"] == role, f"messages.{index}: roles have to alternate, beginning with the user's")
            entries.append(self.turn(message["content"], role))
        thinking = (request.get("additionalModelRequestFields") or {}).get("thinking") or {"type": "disabled"}
        thinks = thinking["type"] != "disabled"
        limit = request.get("inferenceConfig", {}).get("maxTokens")
        require(
            not thinks or limit is None or thinking["budget_tokens"] < limit,
            "max_tokens must be greater than the budget",
        )
        calls = [entry for entry in entries if isinstance(entry, Assistant) and entry.calls]
        require(not thinks or all(entry.thought for entry in calls), "Expected `thinking`, but found `tool_use`")
        require(not calls or "toolConfig" in request, "The toolConfig field must be defined when using toolUse blocks.")
        specs = [tool["toolSpec"] for tool in request.get("toolConfig", {}).get("tools", [])]
        format = request.get("outputConfig", {}).get("textFormat")
        return Heard(
            entries,
            stream=asked.path != whole,
            thinks=thinks,
            system="".join(block["text"] for block in request.get("system", [])),
            tools={spec["name"]: spec["inputSchema"]["json"] for spec in specs},
            schema=json.loads(format["structure"]["jsonSchema"]["schema"]) if format else None,
        )

    @staticmethod
    def turn(blocks, role):
        text, calls, results, thoughts = "", [], [], []
        for block in blocks:
            [(kind, value)] = block.items()
            require(kind != "toolUse" or role == "assistant", "toolUse is the assistant's")
            require(kind != "toolResult" or role == "user", "toolResult is the user's")
            match kind:
                case "text":
                    require(value.strip(), "The text field in the ContentBlock object is blank.")
                    text += value
                case "toolUse":
                    calls.append((value["toolUseId"], value["name"], value["input"]))
                case "toolResult":
                    content = [
                        part["text"] if "text" in part else json.dumps(part["json"]) for part in value["content"]
                    ]
                    results.append((value["toolUseId"], None, "".join(content)))
                case _:
                    require(kind == "reasoningContent", f"no block for this scene: {kind}")
                    thoughts.append(value)
        if role == "assistant":
            return Assistant(text, calls, thoughts)
        require(not (results and text), "a text beside results")
        return Results(results) if results else User(text)

    def thought_back(self, number, turn):
        if not turn.thought:
            return []
        signature = f"c2lnbmVk{number}{len(turn.thought)}=="
        thoughts = [{"reasoningText": {"text": turn.thought, "signature": signature}}]
        return thoughts + [{"redactedContent": "cmVkYWN0ZWQ="}] * (number == 1)

    def may_lose(self, thought):
        return False

    # What it answers.

    @staticmethod
    def ending(turn):
        usage = {
            "inputTokens": turn.prompt - turn.cached,
            "outputTokens": turn.completion,
            "totalTokens": turn.prompt + turn.completion,
            "cacheReadInputTokens": turn.cached,
            "cacheWriteInputTokens": 0,
        }
        return {"usage": usage, "metrics": {"latencyMs": 584}}

    @staticmethod
    def stop_reason(turn):
        return {"stopReason": "tool_use" if turn.calls else "end_turn"}

    def content(self, number, turn):
        yield from ({"reasoningContent": thought} for thought in self.thought_back(number, turn))
        if turn.text:
            yield {"text": turn.text}
        for position, call in enumerate(turn.calls):
            id = self.call_id(number, position)
            yield {"toolUse": {"toolUseId": id, "name": call.name, "input": call.arguments}}

    def whole(self, number, turn):
        message = {"role": "assistant", "content": list(self.content(number, turn))}
        return {"output": {"message": message}} | self.stop_reason(turn) | self.ending(turn)

    def pieces(self, number, turn, heard):
        yield frame("messageStart", {"role": "assistant"})
        for index, block in enumerate(self.content(number, turn)):
            at = {"contentBlockIndex": index}
            if "toolUse" in block:
                start = {name: block["toolUse"][name] for name in ("toolUseId", "name")}
                yield frame("contentBlockStart", {"start": {"toolUse": start}} | at)
            for delta in self.deltas(block):
                yield frame("contentBlockDelta", {"delta": delta} | at)
            yield frame("contentBlockStop", at)
        yield frame("messageStop", self.stop_reason(turn))
        yield frame("metadata", self.ending(turn))

    @staticmethod
    def deltas(block):
        [(kind, value)] = block.items()
        match kind:
            case "text":
                return [{"text": word} for word in words_of(value)]
            case "toolUse":
                fragments = halves(json.dumps(value["input"])) if value["input"] else [""]
                return [{"toolUse": {"input": fragment}} for fragment in fragments]
        if "redactedContent" in value:
            return [{kind: value}]
        thought = value["reasoningText"]
        return [{kind: {"text": word}} for word in words_of(thought["text"])] + [
            {kind: {"signature": thought["signature"]}}
        ]


def frame(name, payload):
    """A message of the AWS event stream: two lengths and their checksum, headers, the payload, a checksum of all."""
    told = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(key)) + key.encode() + struct.pack("!BH", 7, len(text)) + text.encode()
        for key, text in told.items()
    )
    body = json.dumps(payload | {"p": "abcdefghij"}).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack("!I", zlib.crc32(message))
