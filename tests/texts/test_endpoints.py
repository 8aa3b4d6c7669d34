"""The endpoints, with the real process behind /cpu/segment."""

from __future__ import annotations

import subprocess
import sys

import pytest

from servers.settings import ROOT
from servers.texts import workers
from servers.texts.endpoints import bp
from servers.texts.workers import Worker
from servers.web.app import create_app
from tests.web import fixtures

configure = fixtures.configure


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.end()


@pytest.fixture
def client(configure, monkeypatch, worker):
    """There is the one worker for everything, so that one process is started and ended."""
    monkeypatch.setattr(workers, "Worker", lambda: worker)
    return create_app("engine", [bp], internal=True).test_client()


def refusal(response):
    return response.status_code, response.json["error"]["code"], response.json["error"]["param"]


def test_a_text_is_segmented(client):
    text = "It was a bright day. The clocks struck thirteen, and nobody counted."
    reply = client.post("/cpu/segment", json={"text": text, "language": "english", "max_chars": 40})
    assert reply.json == {
        "segments": ["It was a bright day.", "The clocks struck thirteen,", "and nobody counted."]
    }
    assert client.post("/cpu/segment", json={"text": text}).json == {"segments": [text]}
    assert client.post("/cpu/segment", json={"text": ""}).json == {"segments": []}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (422, "invalid_request", "text")),
        ({"text": "a", "language": "klingon"}, (422, "invalid_request", "language")),
        ({"text": "a", "strategy": "x"}, (422, "invalid_request", "strategy")),
        ({"text": "a", "max_chars": 0}, (422, "invalid_request", "max_chars")),
        ({"text": "a", "max_char": 9}, (422, "invalid_request", "max_char")),
        ({"text": "a" * 101}, (413, "too_large", "text")),
        ([], (422, "invalid_request", None)),
    ],
)
def test_bad_input_is_a_typed_error_naming_the_field(client, configure, body, expected):
    configure(SKYLARK_LIMITS__MAX_TEXT_CHARS="10")
    assert refusal(client.post("/cpu/segment", json=body)) == expected


@pytest.mark.parametrize(
    ("path", "module", "extra"),
    [("/cpu/segment", "spacy", "spacy"), ("/cpu/normalize", "pynini", "nemo")],
)
def test_a_missing_extra_is_503_with_the_command_that_installs_it(client, monkeypatch, path, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    reply = client.post(path, json={"text": "a"})
    assert refusal(reply) == (503, "missing_extra", None)
    assert f".venv/bin/uv pip install -e '.[{extra}]'" in reply.json["error"]["message"]


def test_the_engine_itself_imports_neither_library():
    heavy = "{'spacy', 'thinc', 'nemo_text_processing', 'pynini', 'transformers'}"
    program = f"import sys, servers.engine.app; sys.exit(' '.join({heavy} & set(sys.modules)) or None)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
