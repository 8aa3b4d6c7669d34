"""Real processes for acceptance tests: started in a folder of their own, and ended for sure."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import requests

from servers.errors import EngineUnavailable
from servers.jobs.client import JobsClient
from servers.settings import ROOT
from servers.supervision.processes import DOORS
from servers.unix_http import UnixPool

PORTS = range(10_000, 32_000)
"""Below those that a kernel gives to connections, and to who asks for any: 32768 and up in Linux."""
START_S = 120.0  # limits are for a machine that is slow and busy; nothing waits longer than it has to
HTTP_S = 60.0
STAND_INS = ROOT / "tests" / "stand_ins"
EMBEDDED = {"SKYLARK_TTS__MODEL_TYPE": "espeak", "SKYLARK_WHISPERX__MODEL_TYPE": "pocketsphinx"}
"""What needs no weights, whatever was pulled on this machine."""


def eventually(true: Callable[[], object], what: str, within_s: float = 90.0) -> None:
    """Looks until it is true; fails saying what was waited for."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)


def free_port() -> int:
    """One that nobody uses, and that nobody else is given until a server of the test has it."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no port is free from {PORTS.start} to {PORTS.stop - 1}")


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a zombie has ended, whoever has yet to notice."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def _command(process: psutil.Process) -> str:
    """Empty for one that has ended."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


class Process:
    """One server in a session of its own, its log in a file."""

    def __init__(self, module: str, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.process = psutil.Process(self._popen.pid)

    @property
    def workers(self) -> list[psutil.Process]:
        """gunicorn's children: the processes that serve."""
        return self.process.children()

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait(10)

    def wait(self, within_s: float) -> int:
        return self._popen.wait(within_s)

    def stop(self, within_s: float = 40.0) -> int:
        self._popen.terminate()
        return self.wait(within_s)

    def end(self) -> None:
        """Whatever state it is in, nothing of it is left."""
        # the parent first, or it would start a worker anew
        family = [self.process, *self.process.children(recursive=True)] if self.process.is_running() else []
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        self._popen.wait(10)


class Engine:
    """An engine process and a client of it; `module` is what `python -m` starts."""

    def __init__(self, folder: Path, module: str = "servers.engine", **settings: str) -> None:
        self.folder, self.module = folder, module
        self.port = free_port()
        self.environment = {
            "SKYLARK_DATA_DIR": str(folder),
            "SKYLARK_MODELS_FILE": str(STAND_INS / "models.yaml"),
            "SKYLARK_BACKENDS_PATH": f'["{STAND_INS}"]',
            "SKYLARK_ENGINE__PORT": str(self.port),
            "SKYLARK_ENGINE__FILE_ROOTS": f'["{folder}/files"]',
            **settings,
        }
        self.data_dir = Path(self.environment["SKYLARK_DATA_DIR"])
        self.client = JobsClient(self.data_dir / "engine.sock")
        self.server = self._serve()

    def start(self) -> None:
        """Again, after it was stopped or killed."""
        self.server = self._serve()
        self.wait_until_ready()

    def _serve(self) -> Process:
        return Process(self.module, self.environment, self.folder / "engine.log")

    def wait_until_ready(self) -> None:
        eventually(self.answers, "the engine answers", START_S)

    def answers(self) -> bool:
        try:
            return self.client.health()["status"] == "ok"
        except EngineUnavailable:
            return False

    @property
    def worker(self) -> psutil.Process:
        (worker,) = self.server.workers
        return worker

    def runners(self) -> list[psutil.Process]:
        return [child for child in self.worker.children() if "servers.runner" in _command(child)]

    def submit(self, payload: dict, **fields) -> str:
        (job_id,) = self.client.submit([{"model_type": "fake", "payload": payload, **fields}])
        return job_id

    def ended(self, job_id: str, timeout_s: float = 120.0) -> dict:
        return self.client.wait(job_id, timeout_s=timeout_s)

    def status(self, job_id: str) -> str:
        return self.client.get(job_id)["status"]

    def events(self, job_id: str) -> list[dict]:
        """The jobs of the event stream, until it ends."""
        pool = UnixPool(self.data_dir / "engine.sock", 30)
        text = pool.request("GET", f"/jobs/{job_id}/events").data.decode()
        pool.close()
        return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if "data: " in line]

    def audio(self, job_id: str, start: int = 0) -> bytes:
        with self.client.audio(job_id, start=start) as audio:
            return b"".join(audio.chunks)


@contextmanager
def running_engine(module: str = "servers.engine", **settings: str) -> Iterator[Engine]:
    """The folder is short: a Unix socket's path has to fit 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="sky"))
    engine = None
    try:
        engine = Engine(folder, module, **settings)
        engine.wait_until_ready()
        yield engine
    finally:
        if engine is not None:
            engine.client.close()
            engine.server.end()
        shutil.rmtree(folder, ignore_errors=True)


class Session(requests.Session):
    """Asks no proxy, and does not wait for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def request(self, method, url, **options) -> requests.Response:
        return super().request(method, url, **{"timeout": HTTP_S, **options})


class Served:
    """Everything, from the side of its clients: its doors over HTTP, its engine's socket, its processes."""

    process: psutil.Process
    """The one that has started the others."""
    ports: dict[str, int]
    jobs: JobsClient
    http: Session

    def wait_until_ready(self) -> None:
        eventually(lambda: self.ready("tts") and self.ready("whisperx"), "both doors are ready", START_S)

    def url(self, door: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[door]}{path}"

    def ready(self, door: str) -> bool:
        try:
            return self.http.get(self.url(door, "/ready")).status_code == 200
        except requests.ConnectionError:
            return False

    def post(self, door: str, path: str, **options) -> requests.Response:
        return self.http.post(self.url(door, path), **options)

    def family(self) -> list[psutil.Process]:
        return self.process.children(recursive=True)

    def named(self, module: str) -> list[psutil.Process]:
        """The processes with that in their command line, parents first."""
        return [p for p in self.family() if module in _command(p)]


class Appliance(Served):
    """Everything, under supervisord; `module` is what `python -m` starts."""

    def __init__(self, folder: Path, module: str = "servers.supervision", **settings: str) -> None:
        self.folder, self.settings = folder, settings
        self.ports = {door.name: free_port() for door in DOORS}
        (folder / "logs").mkdir()
        environment = {
            **os.environ,
            "SKYLARK_DATA_DIR": str(folder),
            "SKYLARK_MODELS_FILE": str(STAND_INS / "models.yaml"),
            "SKYLARK_BACKENDS_PATH": f'["{STAND_INS}"]',
            **EMBEDDED,
            "SKYLARK_PROXY__BESIDE": "false",  # its tests start their own
            "SKYLARK_RPC__BESIDE": "false",
            "SKYLARK_FINETUNE__BESIDE": "false",
            **{door.port_variable: str(self.ports[door.name]) for door in DOORS},
            **settings,
        }
        with (folder / "logs" / "supervisord.out").open("ab") as out:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.process = psutil.Process(self._popen.pid)
        self.jobs = JobsClient(folder / "engine.sock")
        self.http = Session()

    def stop(self) -> int:
        self._popen.terminate()
        return self.wait()

    def wait(self) -> int:
        return self._popen.wait(120)

    def end(self) -> None:
        """Whatever state it is in, nothing of it is left."""
        family = [self.process, *self.family()] if self._popen.poll() is None else []
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        self._popen.wait(10)
        self.jobs.close()
        self.http.close()


@contextmanager
def running_appliance(**settings: str) -> Iterator[Appliance]:
    folder = Path(tempfile.mkdtemp(prefix="sky"))
    appliance = None
    try:
        appliance = Appliance(folder, **settings)
        appliance.wait_until_ready()
        yield appliance
    finally:
        if appliance is not None:
            appliance.end()
        shutil.rmtree(folder, ignore_errors=True)
