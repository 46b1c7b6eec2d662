"""Requests for embeddings, of any provider, in the form of the OpenAI API."""

from urllib.parse import unquote

from .form import Inexpressible, present


def request(path, body):
    """The same in the form of the OpenAI API, which is the form of most."""
    if path.endswith(":batchEmbedContents"):
        asked = body["requests"]
        inputs = ["".join(part["text"] for part in one["content"]["parts"]) for one in asked]
        model = path.rsplit("/", 1)[1].split(":")[0]
        return {"model": model, "input": inputs} | present(dimensions=asked[0].get("outputDimensionality"))
    if path.endswith("/invoke") and ("inputText" in body or "texts" in body):
        model = unquote(path.split("/model/")[1].split("/")[0])
        inputs = [body["inputText"]] if "inputText" in body else body["texts"]
        return {"model": model, "input": inputs} | present(dimensions=body.get("dimensions"))
    if path.endswith("/embed") and "texts" in body:
        return {"model": body["model"], "input": body["texts"]} | present(dimensions=body.get("output_dimension"))
    if "input" not in body:
        raise Inexpressible("pictures as inputs")
    if "/deployments/" in path:
        return body | {"model": path.split("/deployments/")[1].split("/")[0]}
    return body
