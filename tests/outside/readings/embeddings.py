"""Embeddings of all providers: lists of numbers, in the order of the inputs."""

import base64
import struct
from dataclasses import dataclass, field

from .reading import read_error


@dataclass
class Vectors:
    """What an answer holds."""

    vectors: list = field(default_factory=list)
    tokens: int | None = None
    error: str | None = None


def floats(text):
    """Numbers in base64, four bytes each, as the OpenAI API has them."""
    data = base64.b64decode(text)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def small_integers(text):
    """Numbers in base64, one byte each, as Perplexity has them."""
    data = base64.b64decode(text)
    return [float(number) for number in struct.unpack(f"{len(data)}b", data)]


def read(recording, unpack=floats):
    """Reads an answer of any provider. `unpack`: what numbers in base64 are."""
    if recording.status >= 400:
        return Vectors(error=read_error(recording))
    document = recording.document()
    if "data" in document:
        entries = sorted(document["data"], key=lambda entry: entry["index"])
        given = [entry["embedding"] for entry in entries]
        vectors = [unpack(vector) if isinstance(vector, str) else vector for vector in given]
        return Vectors(vectors, (document.get("usage") or {}).get("prompt_tokens"))
    if "inputTextTokenCount" in document:
        # Titan's, of one text.
        return Vectors([document["embedding"]], document["inputTextTokenCount"])
    given = document["embeddings"]
    if isinstance(given, dict):
        billed = (document.get("meta") or {}).get("billed_units") or {}
        return Vectors(given["float"], billed.get("input_tokens"))
    if given and isinstance(given[0], dict):
        return Vectors([entry["values"] for entry in given])
    return Vectors(given, document.get("prompt_eval_count"))
