"""A Redis of the tests' own: a real redis-server on a free port of loopback, which keeps nothing on disk."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.processes import free_port

PROGRAM = "redis-server"
MISSING = "Redis's tests need redis-server: apt install redis-server"
PATIENCE_S = 60.0


class PrivateRedis:
    """It can be ended and started again, at the same port."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        arguments = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self._folder),
        ]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, *arguments], stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE_S
        while self.cli("ping") != "PONG":
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self._folder / "redis.log").read_text())
            time.sleep(0.02)

    def end(self) -> None:
        """As kill -9 does it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def cli(self, *command: str) -> str:
        """What redis-cli says."""
        arguments = ["redis-cli", "-p", str(self.port), *command]
        return subprocess.run(arguments, capture_output=True, text=True, check=False).stdout.strip()


@contextmanager
def private_redis(folder: Path) -> Iterator[PrivateRedis]:
    redis = PrivateRedis(folder)
    redis.start()
    try:
        yield redis
    finally:
        redis.end()


def is_missing() -> bool:
    return shutil.which(PROGRAM) is None
