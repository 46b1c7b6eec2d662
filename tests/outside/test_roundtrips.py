"""A conversation with tools through every provider, driven by the official SDKs of the three APIs that Weir serves."""

import roundtrips_clients as clients
from roundtrips import is_the_scene


def test_chat_completions_hold_a_conversation_with_tools(way, stream, openai_client):
    seen = clients.chat(openai_client, way.model, stream)
    is_the_scene(seen, way.dialect)
    way.arrived_whole()


def test_chat_completions_hold_it_without_thinking(way, stream, openai_client):
    seen = clients.chat(openai_client, way.model, stream, think=False)
    is_the_scene(seen, way.dialect, thinks=False)
    way.arrived_whole()


def test_responses_hold_a_conversation_with_tools(way, stream, openai_client):
    seen = clients.responses(openai_client, way.model, stream)
    # Upstreams that speak Responses by themselves summarise there what Chat Completions hide.
    speaks = way.upstream.asked[0].path == way.dialect.responses_path
    is_the_scene(seen, way.dialect, thought=speaks or way.dialect.shows_thoughts)
    way.arrived_whole()


def test_messages_hold_a_conversation_with_tools(way, stream, anthropic_client):
    seen = clients.messages(anthropic_client, way.model, stream)
    is_the_scene(seen, way.dialect)
    way.arrived_whole()
