"""Embeddings, as numbers and in base64."""

import json

from openai.types import CreateEmbeddingResponse

from readings.embeddings import Vectors, floats

from .exchange import Unlike, read_error


def read(status, _headers, body, encoding):
    """Reads an answer that was to be encoded as `float` or `base64`."""
    if status >= 400:
        return Vectors(error=read_error(body).error)
    document = json.loads(body)
    if [entry["index"] for entry in document["data"]] != list(range(len(document["data"]))):
        raise Unlike("the vectors are not in the order of the inputs")
    wanted = str if encoding == "base64" else list
    if not all(isinstance(entry["embedding"], wanted) for entry in document["data"]):
        raise Unlike(f"vectors that are not encoded as {encoding}")
    if encoding == "base64":
        # The SDK's type is of what its client makes of it.
        for entry in document["data"]:
            entry["embedding"] = floats(entry["embedding"])
    answer = CreateEmbeddingResponse.model_validate_json(json.dumps(document), strict=True)
    return Vectors([entry.embedding for entry in answer.data], answer.usage.prompt_tokens)
