"""The processes behind the endpoints: who waits for one, and what becomes of those that die."""

from __future__ import annotations

import threading

import pytest

from servers.errors import BackendFailed, DeadlineExceeded, JobCancelled, QueueFull
from servers.texts import workers as module
from servers.texts.workers import Worker, Workers

HELLO = {"do": "segment", "text": "Hello. World."}


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.end()


def test_a_worker_that_died_is_replaced(worker):
    assert worker.ask(HELLO, 60) == {"answer": ["Hello. World."]}
    worker._process.kill()
    worker._process.wait()
    assert worker.ask(HELLO, 60) == {"answer": ["Hello. World."]}


def test_a_text_that_kills_its_worker_is_an_error_and_not_a_loop(worker, monkeypatch):
    monkeypatch.setattr(module.sys, "executable", "/bin/false")
    with pytest.raises(BackendFailed, match="twice"):
        worker.ask(HELLO, 60)


def test_a_text_that_takes_too_long_ends_its_worker(worker):
    with pytest.raises(DeadlineExceeded):
        worker.ask(HELLO, 0)
    assert worker._line is None


class BusyWorker:
    def __init__(self):
        self.asked, self.done = threading.Event(), threading.Event()

    def ask(self, question, timeout_s):
        self.asked.set()
        self.done.wait(30)
        return {"answer": "done"}


@pytest.fixture
def busy_workers(monkeypatch):
    """Makes workers whose one process has a question in hand."""
    worker = BusyWorker()
    monkeypatch.setattr(module, "Worker", lambda: worker)

    def make(waiting: int) -> Workers:
        workers = Workers(size=1, waiting=waiting, timeout_s=60)
        threading.Thread(target=workers.ask, args=(HELLO, lambda: True)).start()
        assert worker.asked.wait(10)
        return workers

    yield make
    worker.done.set()


def test_a_client_that_leaves_waits_no_more(busy_workers):
    with pytest.raises(JobCancelled):
        busy_workers(waiting=1).ask(HELLO, iter([True, False]).__next__)


def test_more_than_may_wait_are_turned_away(busy_workers):
    with pytest.raises(QueueFull):
        busy_workers(waiting=0).ask(HELLO, lambda: True)
