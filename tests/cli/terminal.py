"""`skylark …` at a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

from servers.settings import ROOT


class Terminal:
    """`seen` is what stands on it by now."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "servers.cli", *map(str, arguments)]
        variables = {**os.environ, "TERM": "xterm", "COLUMNS": "160", **environment}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self._screen, self.seen = ours, ""

    def until(self, text: str, within_s: float = 30.0) -> None:
        deadline = time.monotonic() + within_s
        while text not in self.seen:
            assert time.monotonic() < deadline, f"no {text!r} in {self.seen!r}"
            self._read()

    def ended(self, within_s: float = 60.0) -> int:
        """The exit code, once all that it printed is seen."""
        deadline = time.monotonic() + within_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it goes on: {self.seen!r}"
            self._read()
        while self._read():
            pass
        return self.process.returncode

    def _read(self) -> bool:
        """Whether something came."""
        with suppress(OSError):  # Linux's way to say that the other side is closed
            if select.select([self._screen], [], [], 0.1)[0] and (data := os.read(self._screen, 65536)):
                self.seen += data.decode(errors="replace")
                return True
        return False

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)
