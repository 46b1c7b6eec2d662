"""Recorded provider traffic: one folder for each exchange, with the request, the answer and what is known of them.

The recordings are not part of this repository. What an answer says is read in `readings`, without a line of the
gateway's code.
"""

import base64
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from gateway import REPOSITORY

CORPUS = Path(os.environ.get("WEIR_CORPUS", REPOSITORY / "../shared/corpus"))

# Headers of the connection that was recorded, not of the one that is made.
OF_CONNECTION = {"transfer-encoding", "content-length", "content-encoding", "connection", "date"}

CONTENT_TYPES = {
    "sse": "text/event-stream",
    "json": "application/json",
    "list": "application/json",
    "ndjson": "application/x-ndjson",
    "eventstream": "application/vnd.amazon.eventstream",
    "text": "text/plain",
}


@dataclass
class Recording:
    """One recorded exchange. `request` is its document, if it has one that is JSON."""

    folder: str
    name: str
    meta: dict
    request: dict | None
    response: bytes

    @property
    def status(self):
        return self.meta["status"]

    @property
    def method(self):
        return self.meta["method"]

    @property
    def path(self):
        return re.sub("/+", "/", self.meta["path"])

    @property
    def form(self):
        """How the answer is framed: one of `CONTENT_TYPES`."""
        return self.meta["response_form"]

    @property
    def streamed(self):
        return self.form in ("sse", "ndjson", "eventstream", "list")

    @property
    def asked_to_stream(self):
        """Whether a stream was asked for, which an error is no sign of."""
        return self.streamed or "stream" in self.path.rpartition("/")[2].lower()

    @property
    def headers(self):
        """The recorded headers that are the provider's and not the connection's. Some recorders kept none."""
        recorded = {name.lower(): value for name, value in self.meta["response_headers"].items()}
        kept = {name: value for name, value in recorded.items() if name not in OF_CONNECTION}
        return {"content-type": CONTENT_TYPES[self.form]} | kept

    def document(self):
        return json.loads(self.response)

    def events(self):
        """The documents of a stream, whatever its framing. A last one that was cut off is none."""
        if self.form == "list":
            return self.document()
        if self.form == "ndjson":
            lines = self.response.decode("utf-8").splitlines()
            return [json.loads(line) for line in lines if line.strip()]
        if self.form == "eventstream":
            return [event_of(name, json.loads(payload)) for name, payload in frames(self.response)]
        return [json.loads(data) for data in server_sent(self.response)]


def event_of(name, payload):
    """The event in a frame. One of InvokeModel is the model's own, in base64, which may be named by its only field
    besides measurements."""
    if name != "chunk":
        return payload | {"event": name}
    event = json.loads(base64.b64decode(payload["bytes"]))
    if "type" in event:
        return event
    name = next(name for name in event if not name.startswith("amazon-bedrock-"))
    return event[name] | {"event": name}


def server_sent(body):
    """The data of each server-sent event, without `[DONE]`."""
    text = body.decode("utf-8", errors="replace")
    for block in re.split(r"(?:\r\n|\r|\n){2,}", text):
        lines = re.split(r"\r\n|\r|\n", block)
        data = "\n".join(line[5:].removeprefix(" ") for line in lines if line.startswith("data:"))
        if data.strip() and data.strip() != "[DONE]":
            yield data


def frames(body):
    """The name and the payload of each frame of an AWS event stream.

    A frame is: its length, the length of its headers, a checksum (4 bytes each); headers of a length-prefixed name, a
    type that is 7 for text, and a text with its length in 2 bytes; the payload; a checksum."""
    place = 0
    while place + 16 <= len(body):
        length, head = (int.from_bytes(body[place + at : place + at + 4], "big") for at in (0, 4))
        headers, at, end = {}, place + 12, place + 12 + head
        while at < end:
            name_end = at + 1 + body[at]
            name = body[at + 1 : name_end].decode()
            assert body[name_end] == 7, "a header that is no text"
            size = int.from_bytes(body[name_end + 1 : name_end + 3], "big")
            at = name_end + 3 + size
            headers[name] = body[name_end + 3 : at].decode()
        yield headers.get(":event-type") or headers.get(":exception-type"), body[end : place + length - 4]
        place += length


def folders():
    """The names of all providers that there are recordings of."""
    return sorted(path.name for path in CORPUS.iterdir() if path.is_dir())


def recordings(folder):
    """All recordings of a provider, in order of their names."""
    for path in sorted((CORPUS / folder).iterdir()):
        meta = json.loads((path / "meta.json").read_text())
        request = path / "request.json"
        response = (path / meta["response_file"]).read_bytes()
        if meta["response_form"] == "json" and response.lstrip().startswith(b"[") and meta["status"] < 400:
            # The events of a stream, from a provider that was not asked for server-sent ones.
            meta["response_form"] = "list"
        document = json.loads(request.read_text()) if request.is_file() else None
        yield Recording(folder, path.name, meta, document, response)
