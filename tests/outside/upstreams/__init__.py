"""Scripted upstreams that hold a conversation: one for each provider, strict as the provider is.

`scene.py` is what is said, `dialect.py` what all upstreams have in common; the rest is one file for each API.
"""

from .anthropic import Anthropic
from .bedrock import Bedrock
from .cohere import Cohere
from .gemini import Gemini, Vertex
from .mistral import Mistral
from .ollama import Ollama
from .openai_accents import Azure, DatedAzure, DeepSeek, OpenRouter
from .openai_chat import OpenAi

PROVIDERS = {
    dialect.name: dialect
    for dialect in (
        Anthropic, Azure, Bedrock, Cohere, DatedAzure, DeepSeek, Gemini, Mistral, Ollama, OpenAi, OpenRouter, Vertex,
    )
}  # fmt: skip
