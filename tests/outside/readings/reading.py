"""What an answer says, in whatever API it is written."""

import json
from dataclasses import dataclass, field


@dataclass
class Choice:
    """What one choice of an answer says. A call of a tool is `{id, name, arguments}`; an id of `None` is one that the
    provider did not give."""

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    calls: list = field(default_factory=list)
    finish: str | None = None
    recorded_finish: str | None = None
    """The same in the provider's own words, where they are those of the OpenAI API and may be passed on."""


@dataclass
class Usage:
    """Tokens, counted as the OpenAI API counts them: the prompt with what came from a cache, the completion with the
    reasoning."""

    prompt: int
    completion: int
    total: int
    cached: int = 0
    reasoning: int = 0


@dataclass
class Reading:
    """What a client has to get, or got."""

    choices: dict = field(default_factory=dict)
    usage: Usage | None = None
    error: str | None = None
    """The message of an error."""
    complete: bool = True
    """Whether it reaches the end of the answer."""

    def choice(self, index):
        return self.choices.setdefault(index, Choice())


def call(id, name, arguments):
    """A call of a tool, the arguments as text."""
    return {"id": id, "name": name, "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments)}


def arguments(text):
    """The arguments of a call, for comparing: as a value where they are JSON."""
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


def read_error(recording):
    """The message of an answer that is an error."""
    try:
        return error_text(recording.document())
    except ValueError:
        return recording.response.decode(errors="replace").strip()


def error_text(document):
    """The message of an error, in the shapes that providers use."""
    error = document
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict):
        error = error.get("error", error)
    if isinstance(error, str):
        return error
    if isinstance(error, dict):
        found = error.get("message") or error.get("Message") or error.get("detail") or error.get("msg")
        return found if isinstance(found, str) else json.dumps(found)
    return str(error)
