"""The pieces of a request for Chat Completions."""

import json


class Inexpressible(Exception):
    """The request has something that these few lines cannot say in another form."""


def text_of(content, separator="\n"):
    """The text of a string or of parts."""
    if isinstance(content, list):
        return separator.join(part["text"] for part in content if part.get("type", "text") == "text" and "text" in part)
    return content or ""


def function(name, description, parameters):
    declared = {"name": name, "parameters": parameters or {"type": "object", "properties": {}}}
    return {"type": "function", "function": declared | ({"description": description} if description else {})}


def call(id, name, arguments):
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": id, "type": "function", "function": {"name": name, "arguments": text}}


def text_part(text):
    return {"type": "text", "text": text}


def media_part(media_type, data, name="file"):
    """A part with data in base64."""
    url = f"data:{media_type};base64,{data}"
    if media_type.startswith("image/"):
        return image_part(url)
    if media_type in ("audio/wav", "audio/mp3", "audio/mpeg"):
        kind = "wav" if media_type == "audio/wav" else "mp3"
        return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}
    return {"type": "file", "file": {"filename": name, "file_data": url}}


def image_part(url):
    return {"type": "image_url", "image_url": {"url": url}}


def streamed(request):
    """The same, streamed, with usage at the end."""
    return request | {"stream": True, "stream_options": {"include_usage": True}}


def present(**fields):
    """The fields that are something."""
    return {name: value for name, value in fields.items() if value is not None}


class Calls:
    """Gives calls their ids where an API has none: results are matched by name, in order."""

    def __init__(self):
        self.made = 0
        self.open = []

    def begin(self, id, name):
        self.made += 1
        id = id or f"call_{self.made:04}"
        self.open.append((id, name))
        return id

    def end(self, id, name):
        """The id of the call that a result is of. Every call has one result."""
        for place, (known, called) in enumerate(self.open):
            if (id and known == id) or (not id and (called == name or name is None)):
                del self.open[place]
                return known
        raise Inexpressible("a result without a call")
