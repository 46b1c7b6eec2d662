"""Ollama's own chat and generate."""

from .reading import Reading, Usage, call, error_text, read_error


def read(recording):
    """Reads an answer."""
    if recording.status >= 400:
        return Reading(error=read_error(recording))
    reading = Reading(complete=False)
    choice = reading.choice(0)
    for document in recording.events() if recording.streamed else [recording.document()]:
        if document.get("error"):
            reading.error = error_text(document)
            return reading
        message = document.get("message") or {"content": document.get("response"), "thinking": document.get("thinking")}
        choice.text += message.get("content") or ""
        choice.reasoning += message.get("thinking") or ""
        for entry in message.get("tool_calls") or []:
            choice.calls.append(
                call(entry.get("id"), entry["function"]["name"], entry["function"].get("arguments") or {})
            )
        if document.get("done"):
            reading.complete = True
            choice.finish = "length" if document.get("done_reason") == "length" else "stop"
            if document.get("eval_count") is not None:
                prompt, completion = document.get("prompt_eval_count") or 0, document["eval_count"]
                reading.usage = Usage(prompt, completion, prompt + completion)
    if choice.calls and choice.finish == "stop":
        choice.finish = "tool_calls"
    return reading
