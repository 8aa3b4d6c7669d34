"""gunicorn with our worker, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from servers.settings import ROOT
from servers.unix_http import UnixPool
from tests.acceptance.processes import alive, eventually, free_port
from tests.web.served import WITHIN_S, Client

AT_ONCE_S = 15.0
"""Half of gunicorn's graceful_timeout, after which its arbiter would have killed the worker."""
MODULE = "tests.stand_ins.toy_server"
LIMITED = f"""
import resource, runpy
resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
runpy.run_module({MODULE!r}, run_name="__main__", alter_sys=True)
"""


class Toys:
    def __init__(self, folder: Path, *python: str, **settings: str) -> None:
        self.port, self.socket = free_port(), folder / "toys.sock"
        self.log = folder / "log"
        addresses = [f"unix:{self.socket}", f"127.0.0.1:{self.port}"]
        with self.log.open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, *(python or ("-m", MODULE)), *addresses],
                cwd=ROOT,
                env={**os.environ, "SKYLARK_DATA_DIR": str(folder), **settings},
                stdout=log,
                stderr=log,
            )
        self.process = psutil.Process(self._popen.pid)
        self.pool = UnixPool(self.socket, WITHIN_S)
        self._clients = ExitStack()

    def healthy(self) -> bool:
        try:
            return self.client().ask("/health").read() != b""
        except OSError:
            return False

    def client(self) -> Client:
        connected = socket.create_connection(("127.0.0.1", self.port), WITHIN_S)
        return Client(self._clients.enter_context(connected))

    def get(self, path: str) -> dict:
        """Over the Unix socket."""
        return json.loads(self.pool.request("GET", path).data)

    def waiting(self, path: str = "/wait") -> Client:
        """A client whose request is in hand, and that reads nothing."""
        before = self.get("/waiting")["waiting"]
        client = self.client()
        client.send(f"GET {path} HTTP/1.1\r\nHost: toys\r\n\r\n".encode())
        eventually(lambda: self.get("/waiting")["waiting"] > before, "it waits")
        return client

    def ended(self, within_s: float = WITHIN_S) -> int:
        return self._popen.wait(within_s)

    def end(self) -> None:
        self.pool.close()
        self._clients.close()
        if self._popen.poll() is None:
            for each in (*self.process.children(), self.process):
                each.kill()
        self._popen.wait(WITHIN_S)


@contextmanager
def toys(*python: str, **settings: str) -> Iterator[Toys]:
    with tempfile.TemporaryDirectory(prefix="sky") as folder:
        running = Toys(Path(folder), *python, **settings)
        try:
            eventually(running.healthy, "it answers")
            yield running
        finally:
            running.end()


def test_sigterm_is_told_to_the_app_and_requests_in_hand_are_answered() -> None:
    with toys() as running:
        waiting, idle = running.waiting(), running.client()
        assert idle.ask("/health").read()
        running.process.terminate()
        assert json.loads(waiting.answer().read()) == {"told": True}
        assert running.ended() == 0


def test_with_a_notice_it_takes_requests_for_a_while_after_it_was_told() -> None:
    with toys(SKYLARK_WEB__STOP_NOTICE_S="3") as running:
        waiting = running.waiting()
        running.process.terminate()
        assert json.loads(waiting.answer().read()) == {"told": True}
        assert json.loads(running.client().ask("/health").read()) == {"ok": True}
        assert running.ended() == 0


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGQUIT])
def test_other_signals_end_it_at_once(signum: signal.Signals) -> None:
    with toys() as running:
        for path in ("/wait", "/endless"):
            running.waiting(path)
        family = [running.process, *running.process.children()]
        running.process.send_signal(signum)
        assert running.ended(AT_ONCE_S) == 0
        eventually(lambda: not alive(family), "all have ended")


def test_the_port_cannot_silence_the_socket() -> None:
    with toys() as running:
        waiting = [running.waiting() for _ in range(4)]
        waiting.append(running.client())
        waiting[-1].send(b"GET /wait HTTP/1.1\r\nHost: toys\r\n\r\n")
        assert running.get("/waiting") == {"waiting": 4}
        running.process.terminate()
        assert [json.loads(each.answer().read()) for each in waiting] == [{"told": True}] * 5


@pytest.mark.skipif(sys.platform != "linux", reason="the arbiter's end is told by the kernel on Linux alone")
def test_a_worker_ends_with_its_arbiter() -> None:
    with toys() as running:
        running.waiting()
        family = running.process.children()
        running.process.kill()
        eventually(lambda: not alive(family), "the worker has ended")


def test_more_connections_than_descriptors_are_survived() -> None:
    with toys("-c", LIMITED) as running:
        (worker,) = running.process.children()
        for _ in range(200):
            running.client()
        for _ in range(20):
            assert running.client().ask("/health").read()
            assert running.get("/health") == {"ok": True}
        assert alive([worker])
