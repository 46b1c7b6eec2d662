"""The official `openai` SDK for Python, through each plugin."""

import asyncio
import json

import openai
import pytest
from pydantic import BaseModel

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather in a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "ring", "parameters": {"type": "object", "properties": {}}}},
]


def client_of(through, **more):
    return openai.OpenAI(base_url=through.base_url, api_key=through.key, max_retries=0, **more)


def said(text):
    return [{"role": "system", "content": "You are brief."}, {"role": "user", "content": text}]


def test_a_chat_completion_is_answered(through):
    answer = client_of(through).chat.completions.create(model=through.model, messages=said("Say hello."))
    [choice] = answer.choices
    assert choice.message.content == "Hello there, how are you? \u00e9\u4e16\U0001f30d"
    assert (choice.message.role, choice.finish_reason, choice.index) == ("assistant", "stop", 0)
    assert (answer.object, type(answer.created)) == ("chat.completion", int)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (17, 9, 26)
    assert answer._request_id
    assert through.upstream.asked[-1].json()["model"] == "m1"


def test_a_stream_has_one_identity_one_finish_and_its_text(through):
    chunks = list(
        client_of(through).chat.completions.create(model=through.model, messages=said("Say hello."), stream=True)
    )
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices).startswith("Hello there")
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert choices[0].delta.role == "assistant"
    assert [chunk.usage for chunk in chunks if chunk.usage] == []


def test_usage_comes_once_at_the_end_when_asked_for(through):
    stream = client_of(through).chat.completions.create(
        model=through.model, messages=said("Say hello."), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    with_usage = [chunk for chunk in chunks if chunk.usage]
    assert with_usage == [chunks[-1]]
    assert chunks[-1].choices == []
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (17, 9)


def test_the_async_client_streams_several_answers_at_once(through):
    async def one(client):
        stream = await client.chat.completions.create(model=through.model, messages=said("Say hello."), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def many():
        async with openai.AsyncOpenAI(base_url=through.base_url, api_key=through.key, max_retries=0) as client:
            return await asyncio.gather(*(one(client) for _ in range(20)))

    assert set(asyncio.run(many())) == {"Hello there, how are you? \u00e9\u4e16\U0001f30d"}


def test_the_stream_helper_gathers_text_and_events(through):
    helper = client_of(through).chat.completions.stream(model=through.model, messages=said("Say hello."))
    with helper as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert final.choices[0].message.content.startswith("Hello there")
    assert {"chunk", "content.delta", "content.done"} <= set(kinds)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("How is the weather in Paris?", [("call_par1s", "weather", {"city": "Paris", "unit": "celsius"})]),
        (
            "How is the weather in Paris and Rome?",
            [
                ("call_par1s", "weather", {"city": "Paris", "unit": "celsius"}),
                ("call_r0me", "weather", {"city": "Rome", "unit": "celsius"}),
            ],
        ),
        ("Ring the bell.", [("call_b3ll", "ring", {})]),
    ],
    ids=["one", "parallel", "without arguments"],
)
def test_tool_calls_come_back_whole_and_in_order(through, text, calls, streamed):
    client = client_of(through)
    if streamed:
        with client.chat.completions.stream(model=through.model, messages=said(text), tools=TOOLS) as stream:
            answer = stream.get_final_completion()
    else:
        answer = client.chat.completions.create(model=through.model, messages=said(text), tools=TOOLS)
    [choice] = answer.choices
    got = [(call.id, call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls]
    assert got == calls
    assert choice.finish_reason == "tool_calls"
    assert {call.type for call in choice.message.tool_calls} == {"function"}
    sent = json.dumps(through.upstream.asked[-1].json()["tools"])
    assert '"weather"' in sent and '"ring"' in sent


def test_the_results_of_tools_go_back_to_the_model(through):
    call = {"id": "call_par1s", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    messages = [
        *said("How is the weather in Paris?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_par1s", "content": "18 degrees"},
    ]
    answer = client_of(through).chat.completions.create(model=through.model, messages=messages, tools=TOOLS)
    assert answer.choices[0].message.content == "It is 18 degrees in Paris."
    sent = json.dumps(through.upstream.asked[-1].json())
    assert "call_par1s" in sent and "18 degrees" in sent


class River(BaseModel):
    """What the structured answer is to be."""

    name: str
    length_km: int


def test_the_parse_helper_makes_an_object_of_the_answer(through):
    answer = client_of(through).chat.completions.parse(
        model=through.model, messages=said("Name a river."), response_format=River
    )
    assert answer.choices[0].message.parsed == River(name="Loire", length_km=1006)
    assert "length_km" in json.dumps(through.upstream.asked[-1].json())


def test_the_parse_helper_says_when_an_answer_was_cut_off(through):
    with pytest.raises(openai.LengthFinishReasonError):
        client_of(through).chat.completions.parse(
            model=through.model, messages=said("Write a long story."), response_format=River
        )


def test_raw_responses_carry_the_request_id_and_the_form_of_the_api(through):
    raw = client_of(through).chat.completions.with_raw_response.create(
        model=through.model, messages=said("Say hello."), extra_headers={"x-request-id": "mine-123"}
    )
    assert raw.headers["x-request-id"] == "mine-123"
    assert raw.headers["content-type"].startswith("application/json")
    assert raw.parse().choices[0].message.content


def test_raw_streams_are_event_streams(through):
    streaming = client_of(through).chat.completions.with_streaming_response
    with streaming.create(model=through.model, messages=said("Say hello."), stream=True) as raw:
        assert raw.headers["content-type"].startswith("text/event-stream")
        assert "no-cache" in raw.headers["cache-control"]
        lines = [line for line in raw.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (400, openai.BadRequestError, "The request makes no sense."),
        (401, openai.AuthenticationError, "The key is wrong."),
        (403, openai.PermissionDeniedError, "Not for you."),
        (404, openai.NotFoundError, "There is no such model."),
        (429, openai.RateLimitError, "Slow down."),
        (500, openai.InternalServerError, "Something broke."),
        (503, openai.InternalServerError, "Overloaded."),
    ],
)
def test_errors_of_the_upstream_arrive_as_the_sdks_own(through, status, kind, message, streamed):
    with pytest.raises(kind) as raised:
        client_of(through).chat.completions.create(
            model=through.model, messages=said(f"Fail with {status}."), stream=streamed
        )
    assert message in raised.value.message
    assert raised.value.body["message"] == message
    assert isinstance(raised.value.type, str)
    assert raised.value.request_id
    if status == 429:
        assert raised.value.response.headers["retry-after"] == "7"


def test_a_wrong_key_is_refused_by_the_gateway(through):
    client = openai.OpenAI(base_url=through.base_url, api_key="wrong", max_retries=0)
    before = len(through.upstream.asked)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model=through.model, messages=said("Say hello."))
    assert len(through.upstream.asked) == before


def test_a_model_that_nobody_has_is_not_found(through):
    with pytest.raises(openai.NotFoundError) as raised:
        client_of(through).chat.completions.create(model="no-such-model", messages=said("Say hello."))
    assert raised.value.code == "model_not_found"


def test_messages_that_are_missing_are_named(through):
    with pytest.raises(openai.BadRequestError) as raised:
        client_of(through).chat.completions.create(model=through.model, messages=[])
    assert raised.value.param == "messages"


def test_the_models_of_every_provider_are_listed(gateway, through):
    client = client_of(through)
    listed = {model.id for model in client.models.list()}
    assert any(name.endswith("m1") for name in listed), listed
    assert client.models.retrieve(through.model).object == "model"


def test_the_offline_provider_answers_whole_streamed_and_in_the_stream_helper(demo):
    client = client_of(demo)
    messages = said("The river is high.")
    whole = client.chat.completions.create(model=demo.model, messages=messages)
    assert "The river is high." in whole.choices[0].message.content
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    stream = list(client.chat.completions.create(model=demo.model, messages=messages, stream=True))
    text = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    with client.chat.completions.stream(model=demo.model, messages=messages) as helper:
        assert helper.get_final_completion().choices[0].message.content == text


def test_the_offline_provider_honours_a_limit_and_a_required_tool(demo):
    client = client_of(demo)
    short = client.chat.completions.create(model=demo.model, messages=said("The river is high."), max_tokens=2)
    assert short.choices[0].finish_reason == "length"
    assert short.usage.completion_tokens <= 2
    called = client.chat.completions.create(
        model=demo.model, messages=said("The river is high."), tools=TOOLS, tool_choice="required"
    )
    [choice] = called.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.name in {"weather", "ring"}
    json.loads(choice.message.tool_calls[0].function.arguments)
