"""The conversation as the providers' own SDKs hold it, straight with the scripted upstream: what they can say to it,
and read of it, is what the provider would have taken and said."""

import json

import boto3
import cohere as cohere_sdk
import ollama as ollama_sdk
from botocore.config import Config
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from mistralai.client import Mistral

from gateway import UPSTREAM_SECRET
from roundtrips import Seen
from roundtrips_clients import EFFORT, QUESTION, THANKS, TURNS, functions
from upstreams.bedrock import ACCESS_KEY, REGION, SECRET_KEY
from upstreams.scene import DESCRIPTIONS, TOOLS, WEATHER, run_tool


def finish_of(calls):
    return "tool_calls" if calls else "stop"


def gemini(address, model, stream):
    """`google-genai` at the Gemini API."""
    options = {"base_url": address, "api_version": "v1beta"}
    return generate_content(genai.Client(api_key=UPSTREAM_SECRET, http_options=options), model, stream)


def vertex(address, model, stream):
    """`google-genai` at Vertex AI."""
    account = {"project": "our-project", "location": "global", "credentials": Credentials(UPSTREAM_SECRET)}
    options = {"base_url": address, "api_version": "v1beta1"}
    return generate_content(genai.Client(vertexai=True, http_options=options, **account), model, stream)


def generate_content(client, model, stream):
    declared = [
        types.FunctionDeclaration(name=name, description=DESCRIPTIONS[name], parameters_json_schema=schema)
        for name, schema in TOOLS.items()
    ]
    config = types.GenerateContentConfig(
        system_instruction=WEATHER.system,
        tools=[types.Tool(function_declarations=declared)],
        thinking_config=types.ThinkingConfig(include_thoughts=True),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    contents, seen = [types.UserContent(QUESTION)], []
    for _ in TURNS:
        request = {"model": model, "contents": contents, "config": config}
        models = client.models
        answers = list(models.generate_content_stream(**request)) if stream else [models.generate_content(**request)]
        parts = [part for answer in answers for part in answer.candidates[0].content.parts]
        thought = "".join(part.text for part in parts if part.thought)
        text = "".join(part.text for part in parts if part.text and not part.thought)
        called = [part.function_call for part in parts if part.function_call]
        calls = [(call.id, call.name, call.args) for call in called]
        assert answers[-1].candidates[0].finish_reason == "STOP"
        usage = answers[-1].usage_metadata
        reasoning = usage.thoughts_token_count or 0
        completion = usage.candidates_token_count + reasoning
        cached = usage.cached_content_token_count or 0
        told = (usage.prompt_token_count, completion, cached, reasoning)
        seen.append(Seen(text, thought, calls, finish_of(calls), *told))
        contents.append(types.ModelContent(parts))
        results = [
            types.FunctionResponse(id=id, name=name, response={"result": run_tool(name, arguments)})
            for id, name, arguments in calls
        ]
        contents.append(types.UserContent([types.Part(function_response=it) for it in results] or THANKS))
    return seen


def cohere(address, model, stream):
    """`cohere`, by its client for v2."""
    client = cohere_sdk.ClientV2(UPSTREAM_SECRET, base_url=address)
    messages, seen = [{"role": "system", "content": WEATHER.system}, {"role": "user", "content": QUESTION}], []
    request = {"model": model, "tools": list(functions()), "thinking": {"type": "enabled", "token_budget": 1024}}
    for _ in TURNS:
        if stream:
            message, finish, usage = cohere_streamed(client.chat_stream(messages=messages, **request))
        else:
            answer = client.chat(messages=messages, **request)
            message, finish, usage = answer.message.model_dump(exclude_none=True), answer.finish_reason, answer.usage
        blocks = message.get("content", [])
        text = "".join(block.get("text", "") for block in blocks)
        thought = message.get("tool_plan", "") + "".join(block.get("thinking", "") for block in blocks)
        called = [(call["id"], call["function"]) for call in message.get("tool_calls", [])]
        calls = [(id, function["name"], json.loads(function["arguments"])) for id, function in called]
        assert finish == ("TOOL_CALL" if calls else "COMPLETE")
        told = (usage.tokens.input_tokens, usage.tokens.output_tokens, usage.cached_tokens)
        seen.append(Seen(text, thought, calls, finish_of(calls), *told))
        messages.append(message)
        messages += [{"role": "tool", "tool_call_id": id, "content": run_tool(*call)} for id, *call in calls]
        if not calls:
            messages.append({"role": "user", "content": THANKS})
    return seen


def cohere_streamed(events):
    """The message, its end and its usage, gathered as Cohere's documentation does."""
    message, end = {"role": "assistant"}, None
    for event in events:
        said = event.delta.message if getattr(event, "delta", None) and event.type != "message-end" else None
        match event.type:
            case "tool-plan-delta":
                message["tool_plan"] = message.get("tool_plan", "") + said.tool_plan
            case "content-start":
                message.setdefault("content", []).append({"type": said.content.type, said.content.type: ""})
            case "content-delta":
                block = message["content"][event.index]
                block[block["type"]] += getattr(said.content, block["type"])
            case "tool-call-start":
                message.setdefault("tool_calls", []).append(said.tool_calls.model_dump())
            case "tool-call-delta":
                message["tool_calls"][event.index]["function"]["arguments"] += said.tool_calls.function.arguments
            case "message-end":
                end = event.delta
    return message, end.finish_reason, end.usage


def ollama(address, model, stream):
    """`ollama`."""
    client = ollama_sdk.Client(address)
    messages, seen = [{"role": "system", "content": WEATHER.system}, {"role": "user", "content": QUESTION}], []
    for _ in TURNS:
        request = {"model": model, "messages": messages, "tools": list(functions()), "think": True}
        answers = list(client.chat(stream=True, **request)) if stream else [client.chat(**request)]
        said = [answer.message for answer in answers]
        text = "".join(message.content or "" for message in said)
        thought = "".join(message.thinking or "" for message in said)
        called = [call for message in said for call in message.tool_calls or []]
        calls = [(None, call.function.name, call.function.arguments) for call in called]
        last = answers[-1]
        assert last.done and last.done_reason == "stop"
        seen.append(Seen(text, thought, calls, finish_of(calls), last.prompt_eval_count, last.eval_count))
        message = ollama_sdk.Message(
            role="assistant", content=text, thinking=thought or None, tool_calls=called or None
        )
        messages.append(message)
        messages += [{"role": "tool", "tool_name": name, "content": run_tool(name, given)} for _, name, given in calls]
        if not calls:
            messages.append({"role": "user", "content": THANKS})
    return seen


def mistral(address, model, stream):
    """`mistralai`."""
    client = Mistral(api_key=UPSTREAM_SECRET, server_url=address)
    messages, seen = [{"role": "system", "content": WEATHER.system}, {"role": "user", "content": QUESTION}], []
    request = {"model": model, "tools": list(functions()), "reasoning_effort": EFFORT}
    for _ in TURNS:
        if stream:
            with client.chat.stream(messages=messages, **request) as events:
                message, finish, usage = mistral_streamed(event.data for event in events)
        else:
            answer = client.chat.complete(messages=messages, **request)
            [choice] = answer.choices
            message, finish, usage = choice.message.model_dump(exclude_none=True), choice.finish_reason, answer.usage
        content = message.get("content") or []
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        text = "".join(part.get("text", "") for part in parts)
        thought = "".join(inner["text"] for part in parts for inner in part.get("thinking", []))
        called = [(call["id"], call["function"]) for call in message.get("tool_calls") or []]
        calls = [(id, function["name"], json.loads(function["arguments"])) for id, function in called]
        seen.append(Seen(text, thought, calls, finish, usage.prompt_tokens, usage.completion_tokens))
        messages.append(message)
        messages += [{"role": "tool", "tool_call_id": id, "content": run_tool(*call)} for id, *call in calls]
        if not calls:
            messages.append({"role": "user", "content": THANKS})
    return seen


def mistral_streamed(chunks):
    """The message, its end and its usage, gathered from deltas."""
    text, thought, calls, finish, usage = "", "", {}, None, None
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            content = choice.delta.content or ""
            for part in content if isinstance(content, list) else []:
                thought += "".join(inner.text for inner in part.thinking)
            text += content if isinstance(content, str) else ""
            for call in choice.delta.tool_calls or []:
                known = calls.setdefault(
                    call.index, call.model_dump(include={"id": True, "function": True, "type": True})
                )
                if known["id"] != call.id:
                    known["function"]["arguments"] += call.function.arguments
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}] if thought else []
    content += [{"type": "text", "text": text}] if text else []
    return {"role": "assistant", "content": content, "tool_calls": list(calls.values()) or None}, finish, usage


def bedrock(address, model, stream):
    """`boto3`, by Converse."""
    client = boto3.client(
        "bedrock-runtime", region_name=REGION, endpoint_url=address, aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY, config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    specs = [
        {"toolSpec": {"name": name, "description": DESCRIPTIONS[name], "inputSchema": {"json": schema}}}
        for name, schema in TOOLS.items()
    ]
    request = {
        "modelId": model, "system": [{"text": WEATHER.system}], "toolConfig": {"tools": specs},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
    }  # fmt: skip
    messages, seen = [{"role": "user", "content": [{"text": QUESTION}]}], []
    for _ in TURNS:
        if stream:
            answer = bedrock_streamed(client.converse_stream(messages=messages, **request)["stream"])
        else:
            answer = client.converse(messages=messages, **request)
        message, usage = answer["output"]["message"], answer["usage"]
        blocks = message["content"]
        text = "".join(block.get("text", "") for block in blocks)
        thoughts = [
            block["reasoningContent"].get("reasoningText", {}) for block in blocks if "reasoningContent" in block
        ]
        called = [block["toolUse"] for block in blocks if "toolUse" in block]
        calls = [(call["toolUseId"], call["name"], call["input"]) for call in called]
        assert answer["stopReason"] == ("tool_use" if calls else "end_turn")
        cached = usage["cacheReadInputTokens"]
        told = (usage["inputTokens"] + cached, usage["outputTokens"], cached)
        thought = "".join(thought.get("text", "") for thought in thoughts)
        seen.append(Seen(text, thought, calls, finish_of(calls), *told))
        messages.append(message)
        results = [
            {"toolResult": {"toolUseId": id, "content": [{"text": run_tool(*call)}], "status": "success"}}
            for id, *call in calls
        ]
        messages.append({"role": "user", "content": results or [{"text": THANKS}]})
    return seen


def bedrock_streamed(events):
    """What `converse` would have answered, gathered from the events."""
    blocks, stop, usage = {}, None, None
    for event in events:
        [(kind, told)] = event.items()
        match kind:
            case "contentBlockStart":
                blocks[told["contentBlockIndex"]] = {"toolUse": told["start"]["toolUse"] | {"input": ""}}
            case "contentBlockDelta":
                [(name, delta)] = told["delta"].items()
                block = blocks.setdefault(told["contentBlockIndex"], {name: {} if name == "reasoningContent" else ""})
                if name == "text":
                    block["text"] += delta
                elif name == "toolUse":
                    block["toolUse"]["input"] += delta["input"]
                elif "redactedContent" in delta:
                    block[name] = delta
                else:
                    thought = block[name].setdefault("reasoningText", {})
                    thought |= {key: thought.get(key, "") + text for key, text in delta.items()}
            case "messageStop":
                stop = told["stopReason"]
            case "metadata":
                usage = told["usage"]
    for call in [block["toolUse"] for block in blocks.values() if "toolUse" in block]:
        call["input"] = json.loads(call["input"] or "{}")
    message = {"role": "assistant", "content": [blocks[index] for index in sorted(blocks)]}
    return {"output": {"message": message}, "stopReason": stop, "usage": usage}
