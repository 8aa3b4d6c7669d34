"""A runner from the engine's side: a process is started, told what to do, listened to, and ended."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from servers.engine.runs import Run
from servers.runner.wire import Message, Wire
from servers.settings import ROOT
from servers.speech import ModelSpec

log = logging.getLogger(__name__)
END_WAIT_S = 10.0
AS_LISTED = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""CUDA counts GPUs as nvidia-smi does, and not the fastest first."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYANNOTE_METRICS_ENABLED": "0"}
"""Nothing is downloaded at run time, and nobody is told what is run: `skylark models pull` comes before."""
SECRET = re.compile(r"(^|_)(KEYS?|TOKEN|SECRET|CREDENTIALS)(_|$)|PASSWORD|(^|_)DATABASE_URL$")
"""Which environment variables hold something secret, by their names."""
SEND_TIMEOUT = struct.pack("ll", 5, 0)
"""A timeval of 5 s: a runner that is stopped with a full socket must not stop the engine too."""


Hear = Callable[["Runner", Message, bytes], None]
"""What a runner's listening thread calls with each message, {"op": "gone"} last."""
StartRunner = Callable[[ModelSpec], "Runner"]
"""The effect of loading a model. Raises OSError where no process can be started."""


class Runner(Protocol):
    """One process with one model. Telling it something never waits for it, and never raises."""

    heard_at: float
    """When it last said anything, if only that it is alive."""
    pid: int

    def run(self, run: Run, payloads: Sequence[dict[str, Any]]) -> None:
        """Gives it a batch."""

    def join(self, run: Run, payloads: Sequence[dict[str, Any]]) -> None:
        """Adds to the batch that it works on."""

    def cancel(self, run: Run, index: int | None = None) -> None:
        """Asks it to stop the run at its next chunk, or to leave out one request of it."""

    def pause(self, run: Run) -> None:
        """Asks it to wait at the run's next step."""

    def save(self, run: Run) -> None:
        """Asks it to save the run at its next step, and to end it."""

    def resume(self, run: Run) -> None:
        """Lets a paused run go on."""

    def kill(self) -> None:
        """Ends the process and its children at once and gives its memory back; `gone` is heard afterwards."""

    def wait_ended(self) -> None:
        """Returns when the process is gone and its memory is free."""


class RunnerProcess:
    """A Runner that is a child process, with a thread that listens to it."""

    def __init__(
        self,
        model: ModelSpec,
        device: str,
        backends_path: Sequence[Path],
        warmup_text: str | None,
        hear: Hear,
        ticks: Callable[[], float],
    ) -> None:
        self._name = "/".join(model.key)
        self.heard_at = ticks()
        self._hear, self._ticks = hear, ticks
        self._process, self._wire = _spawn(model.venv)
        self.pid = self._process.pid
        self._tell(
            {
                "op": "load",
                "model": model.model_dump(mode="json"),
                "device": device,
                "backends_path": [str(path) for path in backends_path],
                "warmup_text": warmup_text,
            }
        )
        threading.Thread(target=self._listen, name=f"hear-{self.pid}", daemon=True).start()
        log.info("a runner loads a model", extra={"action": "load", "model": self._name, "runner": self.pid})

    def run(self, run: Run, payloads: Sequence[dict[str, Any]]) -> None:
        self._tell({"op": "run", "run": run.number, "task": run.task, "payloads": list(payloads)})

    def join(self, run: Run, payloads: Sequence[dict[str, Any]]) -> None:
        self._tell({"op": "join", "run": run.number, "payloads": list(payloads)})

    def cancel(self, run: Run, index: int | None = None) -> None:
        self._tell({"op": "cancel", "run": run.number, "index": index})

    def pause(self, run: Run) -> None:
        self._tell({"op": "pause", "run": run.number})

    def save(self, run: Run) -> None:
        self._tell({"op": "save", "run": run.number})

    def resume(self, run: Run) -> None:
        self._tell({"op": "resume", "run": run.number})

    def kill(self) -> None:
        self._wire.shut_down()  # a child of the model may hold the other end open
        if self._process.returncode is None:  # once it was waited for, its number may be another's
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def wait_ended(self) -> None:
        self._process.wait(END_WAIT_S)

    def _tell(self, message: Message) -> None:
        """A runner that cannot be told is ended; its jobs are seen to when it is heard to be gone."""
        try:
            self._wire.send(message)
        except OSError as error:
            fields = {"action": "runner_deaf", "model": self._name, "error": type(error).__name__}
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


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """A model's library needs no key of ours, nor anybody's: what it does not know it cannot tell."""
    return {name: value for name, value in environment.items() if not SECRET.search(name.upper())}


def _spawn(venv: Path | None) -> tuple[subprocess.Popen[bytes], Wire]:
    python = sys.executable if venv is None else str(ROOT / venv.expanduser() / "bin" / "python")
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SEND_TIMEOUT)
    with theirs:
        process = subprocess.Popen(
            [python, "-m", "servers.runner", str(theirs.fileno())],
            cwd=ROOT,
            env=AS_LISTED | _without_secrets(os.environ) | OFFLINE,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # signals to the engine's group are the engine's to answer
        )
    return process, Wire(ours)
