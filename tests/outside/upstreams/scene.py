"""The conversations that every scripted upstream knows by heart, in words that belong to no provider.

An upstream reads what a request says so far (`Heard`), compares it with the scene, and speaks its next turn.
"""

import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """A call of a tool, and what the client's tool returns."""

    name: str
    arguments: dict
    result: str


@dataclass(frozen=True)
class Turn:
    """What the model says in one go, and what that costs: `prompt` includes `cached`, `completion` `reasoning`."""

    thought: str = ""
    text: str = ""
    calls: tuple = ()
    prompt: int = 100
    cached: int = 0
    completion: int = 20
    reasoning: int = 0


@dataclass(frozen=True)
class Scene:
    """What the user says, in order, and the turns of the model. A turn without calls gives the floor to the user."""

    user: tuple
    turns: tuple
    system: str = ""
    schema: dict | None = None

    def entries(self, turns):
        """The conversation as it stands when this many turns have been spoken."""
        user = iter(self.user)
        entries = [User(next(user))]
        for number, turn in enumerate(self.turns[:turns]):
            entries.append(turn)
            if turn.calls:
                entries.append(Results([(None, call.name, call.result) for call in turn.calls]))
            elif number + 1 < len(self.turns):
                entries.append(User(next(user)))
        return entries


TOOLS = {
    "weather": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "clock": {"type": "object", "properties": {}},
}
DESCRIPTIONS = {"weather": "The weather in a city.", "clock": "What time it is."}

PARIS = Call("weather", {"city": "Paris"}, "18 degrees")
ROME = Call("weather", {"city": "Rome \u00e9\u4e16"}, '{"degrees":24}')
CLOCK = Call("clock", {}, "14:05")

WEATHER = Scene(
    system="You are brief.",
    user=("Which is warmer now, Paris or Rome?", "Thank you."),
    turns=(
        Turn("Both cities are \u201cneeded\u201d.", calls=(PARIS, ROME), prompt=110, completion=41, reasoning=7),
        Turn("Now the time.", calls=(CLOCK,), prompt=160, cached=64, completion=22, reasoning=5),
        Turn("Rome it is.", "Rome is warmer: 24 \u00b0C at 14:05. \u4e16\U0001f30d", (), 190, 128, 31, 4),
        Turn(text="You are welcome.", prompt=230, cached=128, completion=6),
    ),
)

RIVER = Scene(
    user=("Name a river.",),
    turns=(Turn(text='{"name":"Loire","length_km":1006}'),),
    schema={
        "type": "object",
        "properties": {"name": {"type": "string"}, "length_km": {"type": "integer"}},
        "required": ["name", "length_km"],
        "additionalProperties": False,
    },
)

SCENES = {scene.user[0]: scene for scene in (WEATHER, RIVER)}


def run_tool(name, arguments):
    """The client's side of a call. An `AssertionError` if no turn asks for this."""
    [result] = {call.result for call in (PARIS, ROME, CLOCK) if (call.name, call.arguments) == (name, arguments)}
    return result


@dataclass
class User:
    """The user's words."""

    text: str


@dataclass
class Assistant:
    """What the client says that the model said: calls as (id, name, arguments), and the thoughts in whatever form the
    provider wants them back."""

    text: str = ""
    calls: list = field(default_factory=list)
    thought: object = ""


@dataclass
class Results:
    """Results of tools, as (id, name, text), each of the first two where the provider's form has it."""

    results: list


@dataclass
class Heard:
    """A request as an upstream understands it."""

    entries: list
    stream: bool
    thinks: bool
    system: str = ""
    tools: dict = field(default_factory=dict)
    schema: dict | None = None
    # Whether a stream is to tell its usage.
    usage: bool = True


class Refused(Exception):
    """The provider would not take this request."""

    def __init__(self, message, status=400):
        super().__init__(message)
        self.message, self.status = message, status


def require(condition, message, status=400):
    if not condition:
        raise Refused(message, status)


def fields(value, place, required="", optional=""):
    """Checks that an object has the required fields and none beyond the optional ones. Returns it."""
    require(isinstance(value, dict), f"{place}: not an object but {value!r:.60}")
    required = set(required.split())
    missing, unknown = required - set(value), set(value) - required - set(optional.split())
    require(not missing, f"{place}: missing {sorted(missing)}")
    require(not unknown, f"{place}: unknown {sorted(unknown)}")
    return value


def text_of(content, place, kind="text"):
    """A content that is a string or a list of text parts, none of them empty."""
    if isinstance(content, str):
        return content
    require(isinstance(content, list) and content, f"{place}: neither a string nor a list of parts")
    for part in content:
        fields(part, place, "type text", "cache_control")
        require(part["type"] == kind and part["text"], f"{place}: no text {part}")
    return "".join(part["text"] for part in content)


def arguments_of(text, place):
    """Arguments that are written as a string."""
    require(isinstance(text, str), f"{place}: arguments are a string, not {text!r:.60}")
    try:
        arguments = json.loads(text)
    except ValueError:
        raise Refused(f"{place}: arguments are no JSON: {text!r}") from None
    require(isinstance(arguments, dict), f"{place}: arguments are no object: {text!r}")
    return arguments


def answered(entries):
    """Checks that every call is answered right behind it, and all of them. Where a provider has no ids, names do."""
    for number, entry in enumerate(entries):
        follows = entries[number + 1] if number + 1 < len(entries) else None
        if isinstance(entry, Assistant) and entry.calls:
            require(isinstance(follows, Results), f"the calls {entry.calls} have no results right behind them")
            by_id = all(id is not None for id, _, _ in follows.results)
            called = [(id if by_id else name) for id, name, _ in entry.calls]
            results = [(id if by_id else name) for id, name, _ in follows.results]
            require(sorted(called) == sorted(results), f"called were {called}, answered are {results}")
        elif isinstance(follows, Results):
            raise Refused(f"results of no calls: {follows.results}")
