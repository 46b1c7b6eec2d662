"""Chat Completions, and the older Completions, of any upstream that speaks like OpenAI."""

import json

from .reading import Reading, Usage, call, error_text, read_error

# Some say `eos` or `model_length`; there are only five reasons in the API that clients speak.
FINISHES = {"eos": "stop", "end_turn": "stop", "model_length": "length", "max_tokens": "length"}


def read(recording):
    """Reads an answer of Chat Completions."""
    return read_choices(recording, add_message)


def read_completion(recording):
    """Reads an answer of Completions."""
    return read_choices(recording, add_text)


def read_choices(recording, add):
    if recording.status >= 400:
        return Reading(error=read_error(recording))
    reading = Reading()
    documents = recording.events() if recording.streamed else [recording.document()]
    for document in documents:
        if document.get("error"):
            reading.error = error_text(document)
            return reading
        for choice in document.get("choices") or []:
            read_choice = reading.choice(choice.get("index", 0))
            add(read_choice, choice, recording.streamed)
            read_choice.finish = finish_of(choice) or read_choice.finish
        reading.usage = usage_of(document) or reading.usage
    for choice in reading.choices.values():
        choice.calls = [known for known in choice.calls if known]
        choice.recorded_finish = choice.finish
        if choice.calls and choice.finish == "stop":
            choice.finish = "tool_calls"
    reading.complete = bool(reading.choices) and all(choice.finish for choice in reading.choices.values())
    return reading


def finish_of(choice):
    # An early vision model gave `finish_details` instead.
    finish = choice.get("finish_reason") or (choice.get("finish_details") or {}).get("type")
    return FINISHES.get(finish, finish)


def add_text(reading, choice, _streamed):
    reading.text += choice.get("text") or ""


def add_message(reading, choice, streamed):
    message = choice.get("delta" if streamed else "message") or {}
    text, thoughts = content(message.get("content"))
    reading.text += text
    reading.refusal += message.get("refusal") or ""
    reading.reasoning += thoughts or message.get("reasoning_content") or reasoning(message.get("reasoning"))
    for position, entry in enumerate(message.get("tool_calls") or []):
        add_call(reading.calls, entry, None if streamed else position)
    if legacy := message.get("function_call"):
        known = reading.calls[0] if reading.calls else call(None, "", "")
        known["name"] = known["name"] or legacy.get("name") or ""
        known["arguments"] += legacy.get("arguments") or ""
        reading.calls[:1] = [known]


def add_call(calls, entry, position):
    index = entry.get("index", position)
    if index is None:
        # Without an index a call with an id of its own is another one.
        index = len(calls) if entry.get("id") or not calls else len(calls) - 1
    while len(calls) <= index:
        calls.append(None)
    known = calls[index] or call(None, "", "")
    function = entry.get("function") or entry.get("custom") or {}
    text = function.get("arguments", function.get("input")) or ""
    known["id"] = known["id"] or entry.get("id") or None
    known["name"] = known["name"] or function.get("name") or ""
    known["arguments"] += text if isinstance(text, str) else json.dumps(text)
    calls[index] = known


def content(given):
    """The text and the thoughts of a content, which some give as a list of parts."""
    if not isinstance(given, list):
        return given or "", ""
    text = "".join(part.get("text", "") for part in given if part.get("type") == "text")
    thoughts = [part["thinking"] for part in given if part.get("type") == "thinking"]
    return text, "".join(part.get("text", "") for parts in thoughts for part in parts)


def reasoning(given):
    return given if isinstance(given, str) else ""


def usage_of(document):
    usage = document.get("usage") or (document.get("x_groq") or {}).get("usage")
    if not usage or usage.get("prompt_tokens") is None:
        return None
    prompt, completion = usage["prompt_tokens"], usage.get("completion_tokens") or 0
    # Some leave out the reasoning, which the total then shows.
    total = usage.get("total_tokens") or prompt + completion
    details = usage.get("prompt_tokens_details") or usage.get("prompt_token_details") or {}
    cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or usage.get("num_cached_tokens")
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or usage.get("reasoning_tokens")
    return Usage(prompt, max(completion, total - prompt), total, cached or 0, thought or 0)
