"""The conversation as clients of the gateway hold it, each with the official SDK of its API: ask, run the tools, give
back what the assistant said as the SDK gives it, and thank for the answer."""

import json

from roundtrips import Seen
from upstreams.scene import DESCRIPTIONS, TOOLS, WEATHER, run_tool

QUESTION, THANKS = WEATHER.user
EFFORT = "low"
# A conversation that goes on longer goes in circles.
TURNS = range(len(WEATHER.turns))


def functions():
    """The tools in the form that most providers share."""
    for name, schema in TOOLS.items():
        function = {"name": name, "description": DESCRIPTIONS[name], "parameters": schema}
        yield {"type": "function", "function": function}


def chat(client, model, stream, think=True):
    """Chat Completions, by the `openai` SDK."""
    messages = [{"role": "system", "content": WEATHER.system}, {"role": "user", "content": QUESTION}]
    request = {"model": model, "tools": list(functions())} | ({"reasoning_effort": EFFORT} if think else {})
    seen = []
    for _ in TURNS:
        if stream:
            options = {"include_usage": True}
            with client.chat.completions.stream(messages=messages, stream_options=options, **request) as events:
                answer = events.until_done().get_final_completion()
        else:
            answer = client.chat.completions.create(messages=messages, **request)
        [choice] = answer.choices
        message = choice.message
        calls = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or []]
        thought = getattr(message, "reasoning_content", None) or ""
        turn = Seen(message.content or "", thought, calls, choice.finish_reason)
        seen.append(with_openai_usage(turn, answer.usage))
        # Both are usual: the object itself, and its fields with every null.
        messages.append(message if stream else message.model_dump())
        messages += [{"role": "tool", "tool_call_id": id, "content": run_tool(*call)} for id, *call in calls]
        if not calls:
            messages.append({"role": "user", "content": THANKS})
    return seen


def with_openai_usage(turn, usage):
    turn.prompt, turn.completion = usage.prompt_tokens, usage.completion_tokens
    assert usage.total_tokens == turn.prompt + turn.completion
    if usage.prompt_tokens_details:
        turn.cached = usage.prompt_tokens_details.cached_tokens
    if usage.completion_tokens_details:
        turn.reasoning = usage.completion_tokens_details.reasoning_tokens
    return turn


def responses(client, model, stream):
    """Responses, by the `openai` SDK."""
    tools = [
        {"type": "function", "name": name, "description": DESCRIPTIONS[name], "parameters": schema, "strict": False}
        for name, schema in TOOLS.items()
    ]
    items = [{"role": "user", "content": QUESTION}]
    request = {
        "model": model, "instructions": WEATHER.system, "tools": tools, "store": False,
        "include": ["reasoning.encrypted_content"], "reasoning": {"effort": EFFORT, "summary": "auto"},
    }  # fmt: skip
    seen = []
    for _ in TURNS:
        if stream:
            with client.responses.stream(input=items, **request) as events:
                answer = events.until_done().get_final_response()
        else:
            answer = client.responses.create(input=items, **request)
        assert answer.status == "completed"
        calls = [(i.call_id, i.name, json.loads(i.arguments)) for i in answer.output if i.type == "function_call"]
        thoughts = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
        usage = answer.usage
        seen.append(
            Seen(
                answer.output_text,
                "".join(thoughts),
                calls,
                "tool_calls" if calls else "stop",
                usage.input_tokens,
                usage.output_tokens,
                usage.input_tokens_details.cached_tokens,
                usage.output_tokens_details.reasoning_tokens,
            )  # fmt: skip
        )
        items += [item.model_dump(exclude_none=True) for item in answer.output]
        items += [{"type": "function_call_output", "call_id": id, "output": run_tool(*call)} for id, *call in calls]
        if not calls:
            items.append({"role": "user", "content": THANKS})
    return seen


FINISHES = {"tool_use": "tool_calls", "end_turn": "stop"}


def messages(client, model, stream):
    """Messages, by the `anthropic` SDK."""
    tools = [
        {"name": name, "description": DESCRIPTIONS[name], "input_schema": schema} for name, schema in TOOLS.items()
    ]
    turns = [{"role": "user", "content": QUESTION}]
    request = {
        "model": model, "max_tokens": 8192, "system": WEATHER.system, "tools": tools,
        "thinking": {"type": "enabled", "budget_tokens": 2048},
    }  # fmt: skip
    seen = []
    for _ in TURNS:
        if stream:
            with client.messages.stream(messages=turns, **request) as events:
                answer = events.get_final_message()
        else:
            answer = client.messages.create(messages=turns, **request)
        blocks = answer.content
        calls = [(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"]
        texts = [block.text for block in blocks if block.type == "text"]
        thoughts = [block.thinking for block in blocks if block.type == "thinking"]
        usage = answer.usage
        cached = usage.cache_read_input_tokens or 0
        prompt = usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0)
        finish = FINISHES[answer.stop_reason]
        seen.append(Seen("".join(texts), "".join(thoughts), calls, finish, prompt, usage.output_tokens, cached))
        turns.append({"role": "assistant", "content": blocks})
        results = [{"type": "tool_result", "tool_use_id": id, "content": run_tool(*call)} for id, *call in calls]
        turns.append({"role": "user", "content": results or THANKS})
    return seen
