"""What can be replayed of a recording: through which provider, by which operation of the client's, and how the
recording is read and asked for. Nothing of it is decided by the answer."""

import json
import re
from dataclasses import dataclass
from urllib.parse import unquote

import answers.chat
import answers.embeddings
import answers.messages
import answers.responses
import readings.anthropic
import readings.bedrock
import readings.chat
import readings.cohere
import readings.embeddings
import readings.gemini
import readings.ollama
import readings.responses
import requests_of.anthropic
import requests_of.bedrock
import requests_of.chat
import requests_of.cohere
import requests_of.embeddings
import requests_of.gemini
import requests_of.ollama
from gateway import UPSTREAM_SECRET


@dataclass(frozen=True)
class Api:
    """An API that providers speak, known by the path of its requests."""

    path: str
    """A pattern for `METHOD /path`, to its end."""
    kind: str
    """What is asked for: `chat`, or the operation."""
    read: callable = None
    request_of: callable = None
    native: str | None = None
    """The operation whose documents these are, where clients speak the same API."""


APIS = [
    Api("POST .*/chat/completions", "chat", readings.chat.read, requests_of.chat.request),
    Api("POST .*/messages", "chat", readings.anthropic.read, requests_of.anthropic.request, "messages"),
    Api("POST .*/publishers/anthropic/.*:(rawPredict|streamRawPredict)", "chat", readings.anthropic.read,
        requests_of.anthropic.request, "messages"),
    Api("POST .*/model/[^/]*anthropic[^/]*/invoke(-with-response-stream)?", "chat", readings.anthropic.read,
        requests_of.anthropic.request, "messages"),
    Api("POST .*/model/[^/]*amazon.nova[^/]*/invoke(-with-response-stream)?", "chat", readings.bedrock.read,
        requests_of.bedrock.request),
    Api("POST .*:(generateContent|streamGenerateContent)", "chat", readings.gemini.read, requests_of.gemini.request),
    Api("POST .*/converse(-stream)?", "chat", readings.bedrock.read, requests_of.bedrock.request),
    Api("POST .*/v2/chat", "chat", readings.cohere.read, requests_of.cohere.request),
    Api("POST .*/v1/(chat|generate)", "chat", readings.cohere.read_v1, requests_of.cohere.request),
    Api("POST .*/api/chat", "chat", readings.ollama.read, requests_of.ollama.request),
    Api("POST .*/api/generate", "completions", readings.ollama.read, requests_of.ollama.request),
    Api("POST .*/completions", "completions", readings.chat.read_completion, requests_of.chat.request),
    Api("POST .*/responses", "responses", readings.responses.read, requests_of.chat.request, "responses"),
    Api("POST .*/messages/count_tokens", "count_tokens", None, requests_of.chat.request),
    Api("POST .*(/embeddings|/embed|:batchEmbedContents|/model/[^/]*embed[^/]*/invoke)", "embeddings", readings.embeddings.read,
        requests_of.embeddings.request),
    Api("GET .*/(models|tags)", "models"),
]  # fmt: skip

# What a client asks for: its path, and how its answers are read.
ROUTES = {
    "chat": ("/v1/chat/completions", answers.chat.read),
    "completions": ("/v1/completions", answers.chat.read_text),
    "responses": ("/v1/responses", answers.responses.read),
    "messages": ("/v1/messages", answers.messages.read),
    "count_tokens": ("/v1/messages/count_tokens", answers.messages.read_count),
    "embeddings": ("/v1/embeddings", answers.embeddings.read),
}


def api_of(recording):
    """The API of a recording, or `None` if it is of no operation that a gateway has."""
    line = f"{recording.method} {recording.path}"
    return next((api for api in APIS if re.fullmatch(api.path, line)), None)


# Why recordings that are of an operation of ours cannot be replayed, by what is in their path.
NOT_REPLAYED = [
    (r"POST .*(rawPredict|streamRawPredict)", "a maker's model on Vertex AI whose form no plugin speaks"),
    (r"POST .*/(invoke|invoke-with-response-stream)", "a maker's form of Bedrock's InvokeModel that no plugin speaks"),
]


def why_not(recording):
    """Why a recording is not replayed, by name; `None` if it is."""
    line = f"{recording.method} {recording.path}"
    if api_of(recording) is None:
        for pattern, reason in NOT_REPLAYED:
            if re.fullmatch(pattern, line):
                return reason
        shown = re.sub("/(models|responses)/[^:]*?(:[A-Za-z]+)?$", r"/\1/*\2", recording.path)
        return f"{recording.method} {shown}: no operation of ours"
    if recording.form == "sse" and recording.headers["content-type"].startswith("application/json"):
        return "a stream in answer to a request that asked for none"
    return None


def routes_of(recording):
    """The operations that a recording is replayed by: its own, and for a chat those that are translated into one."""
    api = api_of(recording)
    return ["chat", "responses", "messages", "completions"] if api.kind == "chat" else [api.kind]


def why_not_asked(recording, route):
    """Why a recording is not replayed by one of its operations: the client has no words for what was asked."""
    request = recording.request or {}
    if route == "completions" and api_of(recording).kind == "chat":
        if any(request.get(name) for name in ("functions", "tools", "toolConfig")):
            return "tools"
    if route in ("responses", "messages") and api_of(recording).native != route:
        if "functions" in request:
            return "functions of before there were tools"
        if route == "messages" and any(tool.get("type") == "custom" for tool in request.get("tools") or []):
            return "tools that take text"
    return None


def native_request(recording):
    """The recorded request as a client of the same API makes it."""
    if api_of(recording).native == "messages":
        return requests_of.anthropic.native(recording.path, recording.request)
    return recording.request


def model_of(recording):
    """The model of a recording, which some APIs have in the path."""
    in_path = re.search("/(?:models?|deployments)/([^/]*?)(:[A-Za-z]+)?(?:/[a-z/-]*)?$", recording.path)
    return unquote(in_path.group(1)) if in_path else (recording.request or {}).get("model") or "any"


# Providers.

# The plugin, or the preset, of a folder where it is not of the folder's name.
PRESETS = {
    "bedrock-converse": "bedrock", "cohere-v1": "cohere", "litellm-proxy": "litellm", "vercel-gateway": "vercel",
    "vertex": "gemini", "openai-completions": "openai", "openai-embeddings": "openai", "openai-models": "openai",
    "openai-responses": "openai",
}  # fmt: skip

# The same where the path tells.
PRESETS_BY_PATH = {
    ".*/projects/.*/publishers/google/.*": "vertex",
    ".*/publishers/anthropic/.*": "vertex-claude",
    ".*/model/[^/]*anthropic[^/]*/invoke.*": "bedrock-claude",
    ".*/model/[^/]*/invoke.*": "bedrock",
}

# Folders whose upstreams speak the OpenAI API and have no preset.
WITHOUT_PRESET = {"bedrock-mantle", "doubleword", "gemini-openai-compat", "ollama-openai"}

# Where the API begins for the plugins that add all of the path but this.
OWN_PATHS = {"anthropic", "azure-ai", "azure-openai", "bedrock", "bedrock-claude", "cohere", "gemini", "ollama",
             "vertex", "vertex-claude"}  # fmt: skip

# What ends the path of an operation for the plugins that the base URL leads up to the API.
ENDINGS = r"(/chat/completions|/completions|/embeddings|/responses|/models)$"

# Folders whose upstreams take pictures inline and no other way.
TAKES_NO_URLS = {"bedrock-converse", "bedrock-invoke", "gemini", "ollama", "vertex"}

AWS = {"region": "us-east-1", "access_key_id": "AKIAEXAMPLE", "secret_access_key": UPSTREAM_SECRET}


def provider_of(recording):
    """The entry of `providers` that a recording is replayed through, without its name, and the path that its base URL
    has."""
    by_path = (preset for path, preset in PRESETS_BY_PATH.items() if re.fullmatch(path, recording.path))
    preset = next(by_path, PRESETS.get(recording.folder, recording.folder))
    entry = {"plugin": "openai"} if preset in WITHOUT_PRESET else {"preset": preset}
    prefix = "" if preset in OWN_PATHS else re.sub(ENDINGS, "", recording.path)
    if preset == "perplexity":
        prefix = ""
    settings = SETTINGS.get(preset, lambda _: {})(recording)
    if settings:
        entry["settings"] = settings
    entry |= {"aws": AWS} if preset in ("bedrock", "bedrock-claude") else {"api_key": UPSTREAM_SECRET}
    return entry, prefix


def azure_settings(recording):
    version = (recording.meta.get("query") or "").removeprefix("api-version=")
    if not version or recording.folder == "azure-ai":
        return {}
    return {"api": "dated", "api_version": version}


def gemini_settings(recording):
    path = unquote(recording.path)
    if found := re.fullmatch(r"/(.*)/projects/(.*)/locations/(.*)/publishers/google/models/.*", path):
        version, project, location = found.groups()
        return {"project": project, "location": location, "api_version": version}
    if found := re.fullmatch(r"/(.*/publishers/google)/models/.*", path):
        return {"api_version": found.group(1)}
    return {}


def vertex_claude_settings(recording):
    project, location = re.fullmatch(r".*/projects/(.*)/locations/(.*)/publishers/.*", recording.path).groups()
    return {"project": project, "location": location}


def bedrock_settings(recording):
    return {"api": "invoke"} if "/invoke" in recording.path else {}


def cohere_settings(recording):
    return {"/v1/chat": {"api": "v1_chat"}, "/v1/generate": {"api": "v1_generate"}}.get(recording.path, {})


SETTINGS = {
    "azure-openai": azure_settings, "bedrock": bedrock_settings, "cohere": cohere_settings, "gemini": gemini_settings,
    "vertex": gemini_settings, "vertex-claude": vertex_claude_settings,
}  # fmt: skip


def same_path(asked, recorded):
    """Whether the upstream was asked at the recorded path."""
    # Embeddings go to Cohere's newer API; both answer alike.
    recorded = {"/v1/embed": "/v2/embed"}.get(recorded, recorded)
    return unquote(asked.partition("?")[0]) == unquote(recorded)


class Providers:
    """The providers that a set of recordings needs, each once, under names of their own."""

    def __init__(self):
        self.entries = {}

    def name_of(self, recording, route):
        """The name of the provider for a recording and an operation."""
        entry, prefix = provider_of(recording)
        api = api_of(recording)
        if route not in (api.kind, api.native):
            # What was recorded is a chat, so nothing else may be asked for in the client's own dialect.
            entry |= {"operations": ["chat"]}
        key = json.dumps([recording.folder, entry, prefix], sort_keys=True)
        if key not in self.entries:
            same = sum(known["folder"] == recording.folder for known in self.entries.values())
            name = recording.folder if not same else f"{recording.folder}-{same + 1}"
            self.entries[key] = {"folder": recording.folder, "name": name, "entry": entry, "prefix": prefix}
        return self.entries[key]["name"]

    def configured(self, address):
        """The entries for the configuration, with an upstream at this address. One attempt each, so that a fault shows
        and is not tried again."""
        return [
            {"name": known["name"], **known["entry"], "base_url": address + known["prefix"], "models": ["any"],
             "discover": False, "retries": {"attempts": 1}}
            for known in self.entries.values()
        ]  # fmt: skip
