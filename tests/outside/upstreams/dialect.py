"""What the scripted upstreams of all providers have in common."""

import json

from gateway import UPSTREAM_SECRET
from upstream import Reply

from .scene import RIVER, SCENES, TOOLS, Assistant, Heard, Refused, Results, Turn, User, answered, require


class Dialect:
    """An upstream of one provider. It is strict: it refuses what the provider would, and what is not in the scene.

    Subclasses read a request (`read`), and write a turn in one piece (`whole`) and streamed (`pieces`).
    """

    name: str
    model: str
    base_path = ""
    # Where it speaks OpenAI's Responses, if it does.
    responses_path = None
    # More keys of the entry in `providers`.
    provider: dict = {}

    # Whether thoughts are shown, which parts of the usage are told, and whether the schema of an answer can be sent.
    shows_thoughts = True
    tells_cached = True
    tells_reasoning = True

    stream_headers = {"content-type": "text/event-stream; charset=utf-8"}

    def __init__(self):
        # What was lost on the way, but is let pass by the provider.
        self.lost = []
        self.refused = []

    def __call__(self, asked):
        """Answers a request."""
        form = self.form(asked)
        try:
            self.authenticate(asked)
            heard = form.read(asked)
            number = self.follow(form, heard)
            turn = SCENES[heard.entries[0].text].turns[number]
        except Refused as refused:
            self.refused.append(f"{refused.message} in {asked.body.decode(errors='replace')}")
            return self.refusal(refused)
        if not heard.thinks:
            turn = Turn(**vars(turn) | {"thought": "", "reasoning": 0, "completion": turn.completion - turn.reasoning})
        if heard.stream:
            return Reply(200, dict(form.stream_headers), list(form.pieces(number, turn, heard)))
        return Reply.document(form.whole(number, turn))

    def form(self, asked):
        """Who reads and writes at this path, for providers that have several APIs."""
        return self

    # What subclasses say.

    def authenticate(self, asked):
        """Checks the credential."""
        require(asked.headers.get("authorization") == f"Bearer {UPSTREAM_SECRET}", "wrong credential", 401)

    def read(self, asked) -> Heard:
        """Understands a request, or raises `Refused`."""
        raise NotImplementedError

    def whole(self, number, turn):
        """The answer that is the turn of this number."""
        raise NotImplementedError

    def pieces(self, number, turn, heard):
        """The same as a stream: the bytes of each event."""
        raise NotImplementedError

    def refusal(self, refused):
        error = {"message": refused.message, "type": "invalid_request_error", "param": None, "code": None}
        return Reply.document({"error": error}, refused.status)

    def call_id(self, number, position):
        """The id of a call. `None` if the provider gives none."""
        return f"call_{number}{position}Zq"

    def thought_back(self, number, turn):
        """What has to come back of what was thought in a turn."""
        return turn.thought

    def may_lose(self, thought):
        """Whether the provider goes on with this in place of what was thought."""
        return thought == ""

    # The scene.

    def follow(self, form, heard):
        """Compares what a request says with the scene. Returns the number of the turn that comes next."""
        entries = heard.entries
        require(entries and isinstance(entries[0], User), "the conversation does not begin with the user")
        scene = SCENES.get(entries[0].text)
        require(scene, f"no scene begins with {entries[0].text!r}")
        require(heard.system == scene.system, f"system: {heard.system!r}")
        require(heard.schema == scene.schema, f"schema: {heard.schema}")
        require(heard.tools == ({} if scene is RIVER else TOOLS), f"tools: {heard.tools}")
        answered(entries)
        number = sum(isinstance(entry, Assistant) for entry in entries)
        expected = scene.entries(number)
        require(len(entries) == len(expected), f"{len(entries)} entries, expected {len(expected)}: {entries}")
        spoken = 0
        for entry, wanted in zip(entries, expected, strict=True):
            if isinstance(wanted, Turn):
                self.compare(form, spoken, entry, wanted, heard.thinks)
                spoken += 1
            elif isinstance(wanted, Results):
                texts = [plain(text) for _, _, text in wanted.results]
                require([plain(text) for _, _, text in entry.results] == texts, f"results: {entry.results}")
            else:
                require(entry == wanted, f"not what the user said: {entry}")
        require(number < len(scene.turns), "the scene is over")
        return number

    def compare(self, form, number, entry, turn, thinks):
        require(isinstance(entry, Assistant), f"not the assistant's: {entry}")
        require(entry.text == turn.text, f"turn {number} was {turn.text!r}, not {entry.text!r}")
        calls = [(form.call_id(number, position), call) for position, call in enumerate(turn.calls)]
        wanted = [(id, call.name, call.arguments) for id, call in calls]
        given = [(id if own else None, *call) for (id, *call), (own, _) in zip(entry.calls, calls, strict=False)]
        require(given == wanted and len(given) == len(entry.calls), f"turn {number} called {wanted}, not {entry.calls}")
        turn = turn if thinks else Turn(calls=turn.calls, text=turn.text)
        thought = form.thought_back(number, turn)
        if entry.thought != thought:
            lost = f"turn {number} was thought {thought!r}, not {entry.thought!r}"
            require(form.may_lose(entry.thought), lost)
            self.lost.append(lost)


def plain(text):
    """A result that is JSON, whatever the spaces in it."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def merged(entries):
    """Neighbours of a kind as one: providers that want it so would refuse them apart."""
    result = []
    for entry in entries:
        if result and isinstance(entry, Results) and isinstance(result[-1], Results):
            result[-1].results.extend(entry.results)
        else:
            result.append(entry)
    return result


def data(value):
    """A server-sent event without a name."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def event(value, name=None):
    """A server-sent event with a name, by default that of its type."""
    return f"event: {name or value['type']}\n".encode() + data(value)
