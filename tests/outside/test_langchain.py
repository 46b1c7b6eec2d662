"""`langchain-openai`, through each plugin."""

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


@tool
def weather(city: str, unit: str = "celsius") -> str:
    """The weather in a city."""
    return f"18 degrees {unit} in {city}"


class River(BaseModel):
    """A river."""

    name: str
    length_km: int


@pytest.fixture
def chat(through):
    return ChatOpenAI(
        model=through.model, base_url=through.base_url, api_key=through.key, max_retries=0, stream_usage=True
    )


def test_invoke_answers_with_usage(chat):
    answer = chat.invoke("Say hello.")
    assert answer.content.startswith("Hello there")
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata["input_tokens"] == 17


def test_stream_adds_up_to_the_same_answer(chat):
    chunks = list(chat.stream("Say hello."))
    whole = sum(chunks[1:], chunks[0])
    assert isinstance(whole, AIMessageChunk)
    assert whole.content.startswith("Hello there")
    assert whole.usage_metadata["total_tokens"] == 26


def test_a_tool_is_called_and_its_result_is_answered(chat):
    bound = chat.bind_tools([weather])
    question = HumanMessage("How is the weather in Paris and Rome?")
    asked = bound.invoke([question])
    assert [call["args"]["city"] for call in asked.tool_calls] == ["Paris", "Rome"]
    results = [ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in asked.tool_calls]
    assert bound.invoke([question, asked, *results]).content == "It is 18 degrees in Paris."


def test_streamed_tool_calls_stay_apart(chat):
    chunks = list(chat.bind_tools([weather]).stream("How is the weather in Paris and Rome?"))
    whole = sum(chunks[1:], chunks[0])
    assert [call["args"]["city"] for call in whole.tool_calls] == ["Paris", "Rome"]


def test_structured_output_is_an_object(chat):
    structured = chat.with_structured_output(River, method="json_schema")
    assert structured.invoke("Name a river.") == River(name="Loire", length_km=1006)


def test_the_offline_provider_works(demo):
    chat = ChatOpenAI(model=demo.model, base_url=demo.base_url, api_key=demo.key, max_retries=0)
    assert "The river is high." in chat.invoke("The river is high.").content
