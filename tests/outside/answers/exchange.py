"""Asking the gateway, and what all its answers have in common."""

import http.client
import json

from gateway import KEY
from readings.reading import Reading

PATIENCE_SECONDS = 30


class Unlike(AssertionError):
    """The answer is not what it has to be."""


def ask(gateway, path, request, method="POST"):
    """Sends a request and returns status, headers and body."""
    connection = http.client.HTTPConnection(gateway.host, int(gateway.port), timeout=PATIENCE_SECONDS)
    try:
        headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
        connection.request(method, path, None if request is None else json.dumps(request), headers)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        try:
            return response.status, headers, response.read()
        except http.client.IncompleteRead as cut:
            return response.status, headers | {"cut": "yes"}, cut.partial
    finally:
        connection.close()


def read_error(body):
    """The message of an error in the shape of the OpenAI API."""
    return Reading(error=error_message(json.loads(body)["error"]))


def error_message(error):
    if set(error) != {"message", "type", "param", "code"} or not isinstance(error["message"], str):
        raise Unlike(f"not an error of the OpenAI API: {error}")
    if not isinstance(error["code"], str | None) or not isinstance(error["type"], str):
        raise Unlike(f"code and type have to be texts: {error}")
    return error["message"]


def is_stream(headers):
    return headers["content-type"].startswith("text/event-stream")


def events(headers, body):
    """The name and the data of each event of a stream, and whether it was cut off."""
    cut = "cut" in headers
    if b"\r" in body:
        raise Unlike("lines end with CR")
    *blocks, rest = body.decode("utf-8").split("\n\n")
    if rest and not cut:
        raise Unlike(f"the stream ends inside an event: {rest!r}")
    found = []
    for block in blocks:
        if block.startswith(":"):
            continue
        name, _, data = block.rpartition("\n")
        if not data.startswith("data: ") or (name and not name.startswith("event: ")) or "\n" in name:
            raise Unlike(f"not an event with one line of data: {block!r}")
        found.append((name.removeprefix("event: "), data.removeprefix("data: ")))
    return found, cut
