"""Upstreams that speak OpenAI's Chat Completions with an accent."""

from dialects import words_of
from gateway import UPSTREAM_SECRET
from upstream import Reply

from .dialect import data
from .openai_chat import PARAMETERS, OpenAi
from .scene import require


class Azure(OpenAi):
    """Azure OpenAI by its v1 path: a stream begins with a chunk that is of no choice and no identity."""

    name = "azure-openai"
    model = "gpt-5-mini"
    base_path = ""
    provider = {"plugin": "azure-openai", "preset": "azure-openai"}
    path = "/openai/v1/chat/completions"
    responses_path = "/openai/v1/responses"

    HARMLESS = {"hate": {"filtered": False, "severity": "safe"}}

    def authenticate(self, asked):
        require(asked.headers.get("api-key") == UPSTREAM_SECRET, "wrong credential", 401)

    def pieces(self, number, turn, heard):
        filtered = [{"prompt_index": 0, "content_filter_results": self.HARMLESS}]
        blank = {"id": "", "object": "", "created": 0, "model": ""}
        yield data(blank | {"choices": [], "prompt_filter_results": filtered})
        yield from super().pieces(number, turn, heard)

    def refusal(self, refused):
        error = {"code": str(refused.status), "message": refused.message}
        return Reply.document({"error": error}, refused.status)


class DatedAzure(Azure):
    """Azure OpenAI by the path of a deployment, with the API's date."""

    name = "azure-dated"
    served = "our-gpt"
    provider = Azure.provider | {
        "settings": {"api": "dated", "api_version": "2025-03-01-preview", "deployments": {"gpt-5-mini": "our-gpt"}}
    }
    path = "/openai/deployments/our-gpt/chat/completions?api-version=2025-03-01-preview"
    responses_path = "/openai/responses?api-version=2025-03-01-preview"


class DeepSeek(OpenAi):
    """DeepSeek: what was thought before a call has to come back with it."""

    name = "deepseek"
    model = "deepseek-v4-flash"
    base_path = ""
    provider = {"preset": "deepseek", "operations": ["chat"]}
    shows_thoughts = True
    parameters = PARAMETERS + " max_tokens thinking"
    path = "/chat/completions"
    responses_path = None
    accents = "reasoning_content"

    def thought(self, message):
        return message.get("reasoning_content") or ""

    def thought_back(self, number, turn):
        return turn.thought

    def may_lose(self, thought):
        return False

    def thoughts(self, turn):
        return {"reasoning_content": turn.thought} if turn.thought else {}

    def deltas(self, number, turn):
        first, *others = super().deltas(number, turn)
        yield first
        for word in words_of(turn.thought):
            yield {"content": None, "reasoning_content": word}
        yield from others

    def pieces(self, number, turn, heard):
        yield b": keep-alive\n\n"
        for delta in self.deltas(number, turn):
            yield data(self.chunk(delta))
        yield data(self.chunk({"content": ""}, self.finish(turn)) | {"usage": self.usage(turn)})
        yield b"data: [DONE]\n\n"


class OpenRouter(OpenAi):
    """OpenRouter: thoughts come as `reasoning_details`, and come back as they were, or not at all."""

    name = "openrouter"
    model = "vendor/thinker-1"
    base_path = "/api/v1"
    provider = {"preset": "openrouter", "operations": ["chat"]}
    shows_thoughts = True
    parameters = PARAMETERS + " max_tokens reasoning provider"
    path = "/api/v1/chat/completions"
    responses_path = None
    accents = "reasoning reasoning_content reasoning_details"

    def details(self, turn):
        summary = {"type": "reasoning.summary", "summary": turn.thought, "format": "vendor-v1", "index": 0}
        sealed = {"type": "reasoning.encrypted", "data": f"sealed:{turn.reasoning}", "format": "vendor-v1", "index": 1}
        return [summary, sealed] if turn.thought else []

    def thought(self, message):
        return message.get("reasoning_details") or []

    def thought_back(self, number, turn):
        return self.details(turn)

    def may_lose(self, thought):
        return thought == []

    def thoughts(self, turn):
        details = self.details(turn)
        return {"reasoning": turn.thought, "reasoning_details": details} if details else {"reasoning": None}

    def deltas(self, number, turn):
        for delta in self.thinking(turn):
            yield {"role": "assistant", "content": "", **delta}
        for delta in super().deltas(number, turn):
            yield {"role": "assistant", "content": "", **delta}

    def thinking(self, turn):
        if not turn.thought:
            return
        summary, sealed = self.details(turn)
        for word in words_of(turn.thought):
            yield {"reasoning": word, "reasoning_details": [summary | {"summary": word}]}
        yield {"reasoning": None, "reasoning_details": [sealed]}

    def pieces(self, number, turn, heard):
        yield b": OPENROUTER PROCESSING\n\n"
        for delta in self.deltas(number, turn):
            yield data(self.chunk(delta))
        last = self.chunk({"role": "assistant", "content": ""}, self.finish(turn))
        yield data(last)
        yield data(last | {"usage": self.usage(turn)})
        yield b"data: [DONE]\n\n"
