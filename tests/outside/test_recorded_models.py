"""Recorded lists of models: the gateway asks for them by itself, and clients get them in one list."""

import re
import time
from urllib.parse import quote

import pytest
from openai.pagination import SyncPage
from openai.types import Model

from answers.exchange import ask
from conftest import REMARKS
from gateway import Gateway
from recordings import CORPUS, folders, recordings
from replay import api_of, provider_of
from upstream import Reply, Upstream

PATIENCE_SECONDS = 15

# Where models are named, in the lists of all providers.
NAMES = {"data": "id", "models": "name"}


def all_lists():
    for folder in folders() if CORPUS.is_dir() else []:
        for recording in recordings(folder):
            api = api_of(recording)
            if api and api.kind == "models":
                yield recording


LISTS = list(all_lists())
NAMED = {f"{recording.folder}-{place}": recording for place, recording in enumerate(LISTS)}


@pytest.fixture(scope="module")
def listing():
    """The gateway's list, once it has asked for every recorded one. Each provider has an upstream of its own below one
    address."""

    def answer(asked):
        recording = NAMED[re.match("/([^/]*)", asked.path).group(1)]
        return Reply(recording.status, recording.headers, [recording.response])

    with Upstream(answer) as upstream:
        providers = []
        for name, recording in NAMED.items():
            entry, prefix = provider_of(recording)
            entry |= {
                "name": name,
                "base_url": f"{upstream.address}/{name}{prefix}",
                "discover": True,
                "known_models": [],
            }
            providers.append(entry)
        with Gateway(providers) as gateway:
            yield gateway, models_of(gateway, {name for name, recording in NAMED.items() if recording.status == 200})


def models_of(gateway, owners):
    """The list, once all these providers have models in it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        status, _, body = ask(gateway, "/v1/models", None, "GET")
        assert status == 200, body
        models = SyncPage[Model].model_validate_json(body, strict=True)
        missing = owners - {model.owned_by for model in models.data}
        if not missing or time.monotonic() > end:
            assert not missing, f"no models of {missing}: {gateway.log()[-2000:]}"
            return models.data
        time.sleep(0.05)


@pytest.mark.parametrize("name", NAMED)
def test_a_recorded_list_of_models_becomes_a_part_of_the_list(listing, name):
    gateway, models = listing
    recording = NAMED[name]
    # A name that more than one provider has is listed with the provider's in front.
    shown = {model.id.removeprefix(f"{name}/") for model in models if model.owned_by == name}
    if recording.status >= 400:
        assert shown == set(), "models of an upstream that refused to tell them"
        return
    assert shown == recorded_models(recording.document())
    for id in sorted(shown)[:3]:
        status, _, body = ask(gateway, f"/v1/models/{quote(f'{name}/{id}', safe='')}", None, "GET")
        assert status == 200 and Model.model_validate_json(body, strict=True).id == f"{name}/{id}"


def recorded_models(document):
    [(field, naming)] = [(field, naming) for field, naming in NAMES.items() if field in document]
    return {entry[naming].removeprefix("models/") for entry in document[field]}


def test_the_lists_are_there():
    if not CORPUS.is_dir():
        pytest.skip(f"no recordings at {CORPUS}: no list of models was replayed")
    REMARKS.append(("recorded lists of models", [f"{len(LISTS)} lists, asked for by the gateway itself"]))
    assert LISTS
