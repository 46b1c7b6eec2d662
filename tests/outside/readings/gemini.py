"""Google's generateContent, of the Gemini API and of Vertex AI."""

from .reading import Reading, Usage, call, read_error

FINISHES = {"STOP": "stop", "MAX_TOKENS": "length"}

# Reasons that say that the content was not to be shown.
FILTERED = {
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
}  # fmt: skip


def read(recording):
    """Reads an answer."""
    if recording.status >= 400:
        return Reading(error=read_error(recording))
    documents = recording.events() if recording.streamed else [recording.document()]
    reading = Reading()
    blocked = False
    for document in documents:
        blocked = blocked or bool((document.get("promptFeedback") or {}).get("blockReason"))
        for candidate in document.get("candidates") or []:
            choice = reading.choice(candidate.get("index", 0))
            for part in (candidate.get("content") or {}).get("parts") or []:
                add_part(choice, part)
            reason = candidate.get("finishReason")
            if reason:
                choice.finish = "content_filter" if reason in FILTERED else FINISHES.get(reason, "stop")
        if document.get("usageMetadata"):
            reading.usage = usage_of(document["usageMetadata"])
    if blocked and not reading.choices:
        reading.choice(0).finish = "content_filter"
    for choice in reading.choices.values():
        # There is no reason of its own for calls.
        if choice.calls and choice.finish == "stop":
            choice.finish = "tool_calls"
    reading.complete = bool(reading.choices) and all(choice.finish for choice in reading.choices.values())
    return reading


def add_part(choice, part):
    if "functionCall" in part:
        function = part["functionCall"]
        choice.calls.append(call(function.get("id"), function["name"], function.get("args") or {}))
    elif part.get("thought"):
        choice.reasoning += part.get("text", "")
    else:
        choice.text += part.get("text", "")


def usage_of(usage):
    prompt = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    thoughts = usage.get("thoughtsTokenCount", 0)
    completion = usage.get("candidatesTokenCount", 0) + thoughts
    return Usage(prompt, completion, prompt + completion, usage.get("cachedContentTokenCount", 0), thoughts)
