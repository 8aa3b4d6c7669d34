"""Programs at a terminal, with somebody who types Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from servers.settings import ROOT

CTRL_C = b"\x03"


class Terminal:
    """A program at a terminal of its own; `seen` is what stands on it by now."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={"TERM": "xterm", "COLUMNS": "160", **environment},
            preexec_fn=lambda: os.login_tty(theirs),
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

    def interrupt(self, within_s: float = 40.0) -> int:
        """Types Ctrl-C. The exit code."""
        os.write(self._screen, CTRL_C)
        return self.ended(within_s)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)


def skylark(*arguments: object, **environment: str) -> Terminal:
    command = [sys.executable, "-m", "servers.cli", *map(str, arguments)]
    return Terminal(command, ROOT, os.environ | environment)
