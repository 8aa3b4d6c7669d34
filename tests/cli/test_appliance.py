"""What `up` learns from supervisord over its socket, and what it makes of a silence."""

from __future__ import annotations

import socketserver
import threading
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import pytest

from servers.cli import appliance as module
from servers.cli.appliance import SHUTDOWN_STATE, Appliance
from servers.settings import Settings
from servers.supervision.configuration import SOCKET


class Handler(SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False  # which Unix sockets do not know

    def log_request(self, *_: object) -> None:
        pass


class Supervisord(socketserver.ThreadingUnixStreamServer, SimpleXMLRPCDispatcher):
    """Answers getAllProcessInfo with `answer`, or raises it."""

    def __init__(self, path: str, answer: object) -> None:
        socketserver.ThreadingUnixStreamServer.__init__(self, path, Handler)
        SimpleXMLRPCDispatcher.__init__(self)
        self.register_function(self._answer, "supervisor.getAllProcessInfo")
        self.answer = answer

    def _answer(self) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def supervisord(tmp_path):
    """Starts one that answers so; it listens before it is asked."""
    started = []

    def start(answer: object) -> None:
        server = Supervisord(str(tmp_path / SOCKET), answer)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        started.append((server, thread))

    yield start
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def processes(tmp_path):
    return Appliance(Settings(data_dir=tmp_path))._processes


def test_its_children_are_those_that_it_says(supervisord, processes):
    supervisord([{"name": "tts", "statename": "FATAL", "pid": 0}])
    assert processes() == [{"name": "tts", "statename": "FATAL", "pid": 0}]


def test_one_that_is_not_up_yet_has_none(processes):
    assert processes() == []


def test_one_that_is_stopping_has_none(supervisord, processes):
    supervisord(Fault(SHUTDOWN_STATE, "SHUTDOWN_STATE"))
    assert processes() == []


def test_any_other_fault_is_a_defect(supervisord, processes):
    supervisord(Fault(1, "UNKNOWN_METHOD"))
    with pytest.raises(Fault, match="UNKNOWN_METHOD"):
        processes()


def test_one_that_is_silent_is_waited_for_no_longer_than_its_time(tmp_path, processes, monkeypatch):
    monkeypatch.setattr(module, "RPC_S", 0.05)
    with socketserver.UnixStreamServer(str(tmp_path / SOCKET), Handler):  # accepts, and never answers
        assert processes() == []
