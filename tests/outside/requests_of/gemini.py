"""Google's generateContent. The tools that run at Google are left out."""

import json
from urllib.parse import unquote

from .form import Calls, Inexpressible, call, function, image_part, media_part, present, streamed, text_of, text_part

MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}


def request(path, body):
    """The same in the form of Chat Completions. The model and the method stand in the path."""
    model, _, method = unquote(path).rsplit("/", 1)[1].partition(":")
    given = body.get("generationConfig") or {}
    made = {"model": model, "messages": list(messages(body))}
    made |= present(
        max_tokens=given.get("maxOutputTokens"),
        temperature=given.get("temperature"),
        top_p=given.get("topP"),
        seed=given.get("seed"),
        n=given.get("candidateCount"),
        stop=given.get("stopSequences") or None,
        response_format=response_format(given),
    )
    if tools := [declared(entry) for tool in listed(body.get("tools")) for entry in listed(declarations(tool))]:
        mode = ((body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode")
        made |= {"tools": tools} | present(tool_choice=MODES.get(mode))
    return streamed(made) if method.startswith("stream") else made


def listed(value):
    return value if isinstance(value, list) else [value] if value else []


def declarations(tool):
    return tool.get("functionDeclarations") or tool.get("function_declarations")


def declared(entry):
    parameters = entry.get("parametersJsonSchema") or entry.get("parameters")
    return function(entry["name"], entry.get("description"), lower(parameters))


def lower(schema):
    """A schema with its types as JSON Schema writes them."""
    if isinstance(schema, list):
        return [lower(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    typed = {name: lower(value) for name, value in schema.items()}
    if isinstance(typed.get("type"), str):
        typed["type"] = typed["type"].lower()
    return typed


def response_format(given):
    if given.get("responseMimeType") != "application/json":
        return None
    schema = given.get("responseJsonSchema") or given.get("responseSchema")
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": lower(schema)}}


def messages(body):
    system = body.get("systemInstruction") or body.get("system_instruction")
    if system:
        text = system if isinstance(system, str) else text_of(listed(system["parts"]))
        yield {"role": "system", "content": text}
    calls = Calls()
    contents = body["contents"]
    for turn in contents if isinstance(contents, list) else [contents]:
        parts = turn["parts"]
        if turn.get("role") == "model":
            yield spoken(parts, calls)
            continue
        for part in parts:
            if "functionResponse" in part:
                yield result(part["functionResponse"], calls)
        if said := [user_part(part) for part in parts if "functionResponse" not in part]:
            yield {"role": "user", "content": said}


def spoken(parts, calls):
    made = [
        signed(call(calls.begin(entry.get("id"), entry["name"]), entry["name"], entry.get("args") or {}), part)
        for part in parts
        if (entry := part.get("functionCall"))
    ]
    text = "".join(part["text"] for part in parts if part.get("text") and not part.get("thought"))
    return {"role": "assistant", "content": text or None} | ({"tool_calls": made} if made else {})


def signed(made, part):
    """Gemini 3 wants its signatures back."""
    signature = part.get("thoughtSignature")
    return made | ({"extra_content": {"google": {"thought_signature": signature}}} if signature else {})


def result(given, calls):
    response = given["response"]
    plain = list(response.values())[0] if len(response) == 1 else response
    content = plain if isinstance(plain, str) else json.dumps(response)
    return {"role": "tool", "tool_call_id": calls.end(given.get("id"), given["name"]), "content": content}


def user_part(part):
    if "text" in part:
        return text_part(part["text"])
    if media := part.get("inlineData") or part.get("inline_data"):
        return media_part(media.get("mimeType") or media["mime_type"], media["data"])
    if file := part.get("fileData"):
        if file["fileUri"].startswith("https://") and (file.get("mimeType") or "image/").startswith("image/"):
            return image_part(file["fileUri"])
    raise Inexpressible("a file that Google keeps")
