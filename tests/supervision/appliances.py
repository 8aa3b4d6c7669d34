"""Appliances that run as far as the files about them say: processes that hold a data_dir's lock."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from servers.settings import ROOT
from servers.supervision.lock import LOCK
from servers.supervision.running import Running, announced

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


class Appliances:
    """Those that it has started are ended with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all = ExitStack()
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Appliances:
        return self

    def __exit__(self, *_: object) -> None:
        self._all.close()

    def start(self, port: int, checkout: str = str(ROOT), page: str | None = None) -> Running:
        data_dir = self._folder / str(port)
        data_dir.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(data_dir / LOCK)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._all.enter_context(process)
        self._all.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        urls = {"server_url": f"http://127.0.0.1:{port}", "whisper_url": f"http://127.0.0.1:{port + 1}"}
        socket = str(data_dir / "engine.sock")
        appliance = Running(process.pid, checkout, str(data_dir), socket, urls, page)
        self._all.enter_context(announced(appliance))
        self.processes[str(data_dir)] = process
        return appliance

    def kill(self, appliance: Running) -> None:
        """It leaves its file behind."""
        process = self.processes[appliance.data_dir]
        process.kill()
        process.wait()
