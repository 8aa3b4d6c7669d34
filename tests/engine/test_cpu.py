"""The CPU endpoints, with the real process behind /cpu/segment."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from servers.engine import crew as crews
from servers.engine import textwork
from servers.engine.cpu import bp
from servers.engine.crew import Crew, Worker
from servers.errors import BackendFailed, DeadlineExceeded, JobCancelled, QueueFull
from servers.settings import ROOT
from servers.web.app import create_app
from tests.web import fixtures

configure = fixtures.configure
HELLO = {"do": "segment", "text": "Hello. World."}


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.end()


@pytest.fixture
def client(configure, monkeypatch, worker):
    """All its crews have the one worker, so that one process is started and ended."""
    monkeypatch.setattr(crews, "Worker", lambda: worker)
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


def test_a_worker_that_died_is_replaced(worker):
    assert worker.ask(HELLO, 60) == {"answer": ["Hello. World."]}
    worker._process.kill()
    worker._process.wait()
    assert worker.ask(HELLO, 60) == {"answer": ["Hello. World."]}


def test_a_text_that_kills_its_worker_is_an_error_and_not_a_loop(worker, monkeypatch):
    monkeypatch.setattr(crews.sys, "executable", "/bin/false")
    with pytest.raises(BackendFailed, match="twice"):
        worker.ask(HELLO, 60)


def test_a_text_that_takes_too_long_ends_its_worker(worker):
    with pytest.raises(DeadlineExceeded):
        worker.ask(HELLO, 0)
    assert worker._line is None


def test_what_a_library_raises_is_an_answer_without_the_text(monkeypatch):
    def fail(**_):
        raise ValueError("cannot segment 'secret'")

    monkeypatch.setitem(textwork.TASKS, "segment", fail)
    error = textwork.answer(dict(HELLO))["error"]
    assert error["code"] == "backend_failed"
    assert "secret" not in error["message"]


class BusyWorker:
    def __init__(self):
        self.asked, self.done = threading.Event(), threading.Event()

    def ask(self, question, timeout_s):
        self.asked.set()
        self.done.wait(30)
        return {"answer": "done"}


@pytest.fixture
def busy_crew(monkeypatch):
    """Makes a crew whose one worker has a question in hand."""
    worker = BusyWorker()
    monkeypatch.setattr(crews, "Worker", lambda: worker)

    def make(waiting: int) -> Crew:
        crew = Crew(size=1, waiting=waiting, timeout_s=60)
        threading.Thread(target=crew.ask, args=(HELLO, lambda: True)).start()
        assert worker.asked.wait(10)
        return crew

    yield make
    worker.done.set()


def test_a_client_that_leaves_waits_no_more(busy_crew):
    with pytest.raises(JobCancelled):
        busy_crew(waiting=1).ask(HELLO, iter([True, False]).__next__)


def test_more_than_may_wait_are_turned_away(busy_crew):
    with pytest.raises(QueueFull):
        busy_crew(waiting=0).ask(HELLO, lambda: True)
