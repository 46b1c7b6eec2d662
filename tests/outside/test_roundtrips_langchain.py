"""`langchain-openai` through every provider: a conversation with tools, whole and streamed, and structured output."""

import json

import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI

from gateway import KEY
from roundtrips import Seen, is_the_scene
from roundtrips_clients import QUESTION, THANKS, TURNS, functions
from upstreams.scene import RIVER, WEATHER, run_tool


@pytest.fixture
def chat(way):
    return ChatOpenAI(model=way.model, base_url=way.base_url, api_key=KEY, max_retries=0, stream_usage=True)


def test_a_conversation_with_tools_is_held(way, chat, stream):
    bound = chat.bind_tools(list(functions()))
    messages, seen = [SystemMessage(WEATHER.system), HumanMessage(QUESTION)], []
    for _ in TURNS:
        if stream:
            first, *others = bound.stream(messages)
            said = sum(others, first)
        else:
            said = bound.invoke(messages)
        calls = [(call["id"], call["name"], call["args"]) for call in said.tool_calls]
        usage = said.usage_metadata
        details = usage.get("input_token_details", {})
        told = (usage["input_tokens"], usage["output_tokens"], details.get("cache_read"))
        seen.append(Seen(said.text, "", calls, said.response_metadata["finish_reason"], *told))
        messages.append(said)
        messages += [ToolMessage(run_tool(*call), tool_call_id=id) for id, *call in calls] or [HumanMessage(THANKS)]
    is_the_scene(seen, way.dialect, thinks=False)
    assert way.dialect.refused == []


def test_structured_output_is_an_object_of_its_schema(way, chat):
    answer = chat.with_structured_output(RIVER.schema | {"title": "River"}, method="json_schema", strict=True)
    assert answer.invoke(RIVER.user[0]) == json.loads(RIVER.turns[0].text)
    assert way.dialect.refused == []
