"""Runner processes from the engine's side: start one, give it work, hear what it says, end it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from servers.engine.runs import Run
from servers.engine.scheduler import Model
from servers.runner.wire import Message, Wire
from servers.settings import ROOT
from servers.speech import ModelSpec

log = logging.getLogger(__name__)
END_WAIT_S = 10.0
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYANNOTE_METRICS_ENABLED": "0"}
"""Nothing is downloaded at run time, and nobody is told what is run: `skylark models pull` comes before."""
SEND_TIMEOUT = struct.pack("ll", 5, 0)
"""A timeval of 5 s: a runner that is stopped with a full socket must not stop the engine too."""


class State(StrEnum):
    LOADING = "loading"
    READY = "ready"
    RUNNING = "running"


Hear = Callable[["Runner", Message, bytes], None]


class Runner:
    """One child process with one model. Its listening thread calls `hear`, with {"op": "gone"} last."""

    def __init__(
        self,
        model: ModelSpec,
        device: str,
        backends_path: Sequence[Path],
        warmup_text: str | None,
        hear: Hear,
        ticks: Callable[[], float],
    ) -> None:
        self.model: Model = model.key
        self.state = State.LOADING
        self.run: Run | None = None
        self.spec = model
        self.loaded_at = self.started_at = self.used_at = self.heard_at = ticks()
        self._hear, self._ticks = hear, ticks
        self._process, self._wire = _spawn(model.venv)
        self._tell(
            {
                "op": "load",
                "model": model.model_dump(mode="json"),
                "device": device,
                "backends_path": [str(path) for path in backends_path],
                "warmup_text": warmup_text,
            }
        )
        threading.Thread(target=self._listen, name=f"hear-{self._process.pid}", daemon=True).start()
        log.info("a runner loads a model", extra={"action": "load", "model": self.name, "runner": self.pid})

    @property
    def name(self) -> str:
        """The model's, for people: "backend/model"."""
        return "/".join(self.model)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def loading(self) -> bool:
        return self.state is State.LOADING

    def start(self, run: Run, payloads: Sequence[dict[str, Any]]) -> None:
        """Gives the runner a batch."""
        self.run = run
        self.state = State.RUNNING
        self._tell({"op": "run", "run": run.number, "task": run.task, "payloads": list(payloads)})

    def cancel(self, run: Run) -> None:
        """Asks the runner to stop at its next chunk."""
        self._tell({"op": "cancel", "run": run.number})

    def kill(self) -> None:
        """Ends the process and its children at once and gives its memory back; `gone` is heard afterwards."""
        self._wire.shut_down()  # a child of the model may hold the other end open
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def wait_ended(self) -> None:
        """Returns when the process is gone and its memory is free."""
        self._process.wait(END_WAIT_S)

    def _tell(self, message: Message) -> None:
        """A runner that cannot be told is ended; its jobs are seen to when it is heard to be gone."""
        try:
            self._wire.send(message)
        except OSError as error:
            fields = {"action": "runner_deaf", "model": self.name, "error": type(error).__name__}
            log.warning("a runner cannot be told anything", extra=fields)
            self.kill()

    def _listen(self) -> None:
        try:
            while (frame := self._wire.receive()) is not None:
                self.heard_at = self._ticks()
                self._hear(self, *frame)
        finally:
            self.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_WAIT_S)
            self._wire.close()
            self._hear(self, {"op": "gone"}, b"")


def _spawn(venv: Path | None) -> tuple[subprocess.Popen[bytes], Wire]:
    python = sys.executable if venv is None else str(ROOT / venv.expanduser() / "bin" / "python")
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SEND_TIMEOUT)
    with theirs:
        process = subprocess.Popen(
            [python, "-m", "servers.runner", str(theirs.fileno())],
            cwd=ROOT,
            env=os.environ | OFFLINE,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # signals to the engine's group are the engine's to answer
        )
    return process, Wire(ours)
