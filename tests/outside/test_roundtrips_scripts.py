"""The scripted upstreams are faithful: the providers' own SDKs hold the conversation with them, without a gateway."""

import json

import anthropic
import openai
import pytest

import roundtrips_clients as clients
import roundtrips_native as native
from gateway import UPSTREAM_SECRET
from roundtrips import is_the_scene
from upstream import Asked, Upstream
from upstreams import PROVIDERS


def openai_chat(address, model, stream):
    return clients.chat(openai.OpenAI(base_url=address, api_key=UPSTREAM_SECRET, max_retries=0), model, stream)


def azure_v1(address, model, stream):
    headers = {"api-key": UPSTREAM_SECRET}
    client = openai.OpenAI(base_url=address + "/openai/v1", api_key="-", default_headers=headers, max_retries=0)
    return clients.chat(client, model, stream)


def azure_dated(address, model, stream):
    client = openai.AzureOpenAI(
        azure_endpoint=address, api_version="2025-03-01-preview", api_key=UPSTREAM_SECRET, max_retries=0
    )
    return clients.chat(client, PROVIDERS["azure-dated"].served, stream)


def anthropic_messages(address, model, stream):
    client = anthropic.Anthropic(base_url=address, api_key=UPSTREAM_SECRET, max_retries=0)
    return clients.messages(client, model, stream)


OWN_SDKS = {
    "anthropic": anthropic_messages,
    "azure-dated": azure_dated,
    "azure-openai": azure_v1,
    "bedrock": native.bedrock,
    "cohere": native.cohere,
    "gemini": native.gemini,
    "mistral": native.mistral,
    "ollama": native.ollama,
    "openai": openai_chat,
    "vertex": native.vertex,
}


@pytest.mark.parametrize("name", sorted(OWN_SDKS))
def test_the_providers_own_sdk_holds_the_conversation(name, stream):
    dialect = PROVIDERS[name]()
    with Upstream(dialect) as upstream:
        seen = OWN_SDKS[name](upstream.address + dialect.base_path * (name == "openai"), dialect.model, stream)
    is_the_scene(seen, dialect)
    assert dialect.refused == []
    assert dialect.lost == []


@pytest.mark.parametrize("name", ["azure-dated", "azure-openai", "openai"])
def test_the_openai_sdk_holds_it_by_responses_as_well(name, stream):
    dialect = PROVIDERS[name]()
    with Upstream(dialect) as upstream:
        if name == "azure-dated":
            client = openai.AzureOpenAI(
                azure_endpoint=upstream.address, api_version="2025-03-01-preview", api_key=UPSTREAM_SECRET
            )
        else:
            base_url = upstream.address + dialect.responses_path.removesuffix("/responses")
            headers = {"api-key": UPSTREAM_SECRET}
            client = openai.OpenAI(base_url=base_url, api_key=UPSTREAM_SECRET, default_headers=headers)
        seen = clients.responses(client, dialect.served or dialect.model, stream)
    is_the_scene(seen, dialect, thought=True)
    assert dialect.refused == []


ABSENT = object()

# What the providers refuse: the second request of the conversation, with the place in it that is then something else.
MISTAKES = {
    "anthropic": [
        ("messages.1.content.0.signature", "Zm9yZ2Vk"),
        ("messages.1.content.0", ABSENT),
        ("messages.1.content.1.input", '{"city":"Paris"}'),
        ("messages.2.content.0", ABSENT),
        ("messages.2.content.0.tool_use_id", "toolu_other"),
        ("max_tokens", ABSENT),
        ("seed", 7),
    ],
    "azure-openai": [("model", "another"), ("messages.2.tool_calls.0.id", "call_other"), ("thinking", {})],
    "azure-dated": [("messages.3", ABSENT)],
    "bedrock": [
        ("messages.1.content.0.reasoningContent.reasoningText.signature", "Zm9yZ2Vk"),
        ("messages.1.content.0", ABSENT),
        ("messages.2.content.1", ABSENT),
        ("messages.1.role", "user"),
        ("toolConfig", ABSENT),
        ("toolConfig.tools.0.toolSpec.inputSchema", {}),
        ("seed", 7),
    ],
    "cohere": [
        ("messages.2.tool_calls.0.function.arguments", {"city": "Paris"}),
        ("messages.3.tool_call_id", "other"),
        ("messages.3.name", "weather"),
        ("top_p", 0.5),
    ],
    "deepseek": [("messages.2.reasoning_content", ABSENT), ("messages.2.tool_calls.1", ABSENT)],
    "gemini": [
        ("contents.1.parts.0.thoughtSignature", ABSENT),
        ("contents.1.parts.0.thoughtSignature", "Zm9yZ2Vk"),
        ("contents.2.parts.0.functionResponse.name", ABSENT),
        ("contents.2.parts.0.functionResponse.response", "18 degrees"),
        ("contents.2.parts.0", ABSENT),
        ("contents.1.role", "assistant"),
        ("generationConfig.max_tokens", 7),
    ],
    "mistral": [
        ("messages.2.tool_calls.0.id", "call_00Zq8"),
        ("messages.2.name", "weather"),
        ("messages.3", ABSENT),
        ("user", "u"),
    ],
    "ollama": [
        ("messages.2.tool_calls.0.function.arguments", '{"city":"Paris"}'),
        ("messages.3.tool_name", ABSENT),
        ("messages.1.content", [{"type": "text", "text": "Which is warmer now, Paris or Rome?"}]),
        ("seed", 7),
    ],
    "openai": [
        ("messages.2.tool_calls.0.function.arguments", "{"),
        ("messages.2.reasoning_content", "Hm."),
        ("messages.4", ABSENT),
        ("messages.3.content", "19 degrees"),
        ("max_tokens", 7),
    ],
    "openrouter": [("messages.2.reasoning_details.1.data", "forged")],
    "vertex": [("contents.2.parts.1", ABSENT), ("contents.1.parts.1.functionCall.args", {"city": "Oslo"})],
}


def changed(document, path, value):
    """The document with something else at one place, or nothing there."""
    document = json.loads(document)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = document
    for step in way:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document).encode()


def test_the_scripts_refuse_what_the_provider_would(way, openai_client):
    clients.chat(openai_client, way.model, stream=False)
    good = way.upstream.asked[1]
    script = PROVIDERS[way.name]()
    # Whoever changes a request cannot sign it.
    script.authenticate = lambda asked: None
    assert script(Asked(good.method, good.path, good.headers, good.body)).status == 200
    for path, value in MISTAKES[way.name]:
        reply = script(Asked(good.method, good.path, good.headers, changed(good.body, path, value)))
        assert 400 <= reply.status < 500, f"{path} = {value}"


def test_the_scripts_refuse_another_key(way, openai_client):
    clients.chat(openai_client, way.model, stream=False)
    good = way.upstream.asked[0]
    credentials = {"x-api-key", "x-goog-api-key", "api-key"} & set(good.headers) or {"authorization"}
    forged = {name: good.headers.get(name, "Bearer ")[:-1] + "#" for name in credentials}
    reply = PROVIDERS[way.name]()(Asked(good.method, good.path, good.headers | forged, good.body))
    assert 400 <= reply.status < 500
