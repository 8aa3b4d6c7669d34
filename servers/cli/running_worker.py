"""What `skylark worker` does: an engine and a gRPC server of their own, kept running until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from servers import ROOT
from servers.child import end_with_parent
from servers.cli.appliance import sole_user
from servers.cli.checks import check_free
from servers.cli.failures import CommandFailed
from servers.cli.interruptions import interruptible, told_again
from servers.cli.output import complain
from servers.errors import EngineUnavailable, SkylarkError
from servers.jobs.client import JobsClient
from servers.settings import Settings, settings
from servers.supervision.processes import ANY_ADDRESS, RPC, STOP_WAIT_S, StopOrder
from servers.web.keys import check_exposure
from servers.worker_config import read
from servers.worker_models import Names, WorkerModels, needs_gpu

CONFIG = ROOT / "config" / "worker.yaml"
READY_S = 120.0
LOOK_S = 0.1
STARTED_S = 10.0
"""A process that ended sooner has not started."""
TRIES = 3
OWN = ("SKYLARK_DATA_DIR", "SKYLARK_MODELS_FILE", "WORKER_NAME")
"""What is this worker's own, whatever the environment says."""


def run(adapter: str | None, default: str | None, config: Path | None) -> None:
    """Until Ctrl-C. Raises SettingsError, or CommandFailed for what keeps it from starting or going on."""
    loaded, models = _settings(adapter, default, CONFIG if config is None else config.expanduser().absolute())
    folder, name = loaded.data_dir, loaded.rpc.name
    check_exposure(loaded.rpc.host, loaded)
    folder.mkdir(parents=True, exist_ok=True)
    with interruptible(), sole_user(folder, "skylark worker", "give this one another WORKER_NAME"):
        check_free(RPC, loaded, "choose another one as worker.grpc_port or SKYLARK_RPC__PORT")
        models.write(loaded.models_file)
        with _kept(loaded) as kept:
            _wait_until_ready(kept, loaded, len(models.wanted))
            with suppress(KeyboardInterrupt):  # which is how it is meant to end
                print(f"worker {name}  {_address(loaded)}  {'/'.join(models.wanted[0].key)}", flush=True)
                while True:
                    for each in kept:
                        each.keep()
                    time.sleep(LOOK_S)
    print("stopped", flush=True)


def _settings(adapter: str | None, default: str | None, path: Path) -> tuple[Settings, WorkerModels]:
    """Those of the worker, which its processes find in the environment; and its models."""
    here, config = settings(), read(path, os.environ)
    models = Names(here).of(config.model_manager, adapter, default)
    folder = here.data_dir / "workers" / config.worker.name
    meant = config.variables(needs_gpu=needs_gpu(models, here.backends_path)) | {
        "SKYLARK_DATA_DIR": str(folder),
        "SKYLARK_MODELS_FILE": str(folder / "models.yaml"),
        "SKYLARK_RPC__MODEL_TYPE": ",".join(models.model_types),
    }
    for name, value in meant.items():
        if name in OWN or name not in os.environ:
            os.environ[name] = value
    settings.cache_clear()
    return settings(), models


@dataclass
class Kept:
    """One process, which is started again where it ends by itself."""

    name: str
    module: str
    stop_s: float
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _started_at: float = field(default=0.0, init=False)
    _tries: int = field(default=0, init=False)

    def start(self) -> None:
        # A session of its own: a terminal's Ctrl-C is for this process, which then stops all in order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        self._started_at = time.monotonic()

    @property
    def code(self) -> int | None:
        """With what it has ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def keep(self) -> None:
        """Starts it again if it has ended. Raises CommandFailed where that was in vain."""
        if (code := self.code) is None:
            return
        if time.monotonic() - self._started_at > STARTED_S:
            self._tries = 0
        self._tries += 1
        if self._tries > TRIES:
            raise CommandFailed(f"{self.name} cannot be kept running: it ended with {code}")
        complain(f"{self.name} ended with {code}, and is started again")
        self.start()

    def stop(self, is_told_again: Callable[[], bool]) -> None:
        """Lets it end what it has in hand, unless nobody wants to wait for that."""
        if self._process is None or self.code is not None:
            return
        self._process.terminate()
        deadline = time.monotonic() + self.stop_s
        while self.code is None:
            if is_told_again() or time.monotonic() > deadline:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            time.sleep(LOOK_S)


@contextmanager
def _kept(loaded: Settings) -> Iterator[list[Kept]]:
    """The gRPC server and its engine, in the order in which they end."""
    processes = [
        Kept(RPC.name, RPC.module, STOP_WAIT_S[RPC.stop_order]),
        Kept("the engine", "servers.engine", STOP_WAIT_S[StopOrder.ENGINE]),
    ]
    print(f"starting worker {loaded.rpc.name}; its data is in {loaded.data_dir}", flush=True)
    try:
        for each in reversed(processes):
            each.start()
        yield processes
    finally:
        with told_again() as is_told_again:
            for each in processes:
                each.stop(is_told_again)


def _wait_until_ready(kept: list[Kept], loaded: Settings, models: int) -> None:
    """Until it can be spoken to, and all models that are to be loaded at the start have been."""
    patience_s = READY_S + models * loaded.engine.load_timeout_s
    deadline = time.monotonic() + patience_s
    with closing(JobsClient(loaded.engine_socket)) as engine:
        while not (_are_loaded(engine) and _listens(loaded)):
            for each in kept:
                if each.code is not None:
                    raise CommandFailed(f"{each.name} does not start: what it said is above")
            if time.monotonic() > deadline:
                raise CommandFailed(f"the worker is not ready after {patience_s:.0f} s")
            time.sleep(LOOK_S)


def _are_loaded(engine: JobsClient) -> bool:
    """Raises CommandFailed for one that cannot be."""
    try:
        models = engine.models()["models"]
    except EngineUnavailable:
        return False
    for model in models:
        if model["awaited"] and model["error"] is not None:
            why = SkylarkError.from_dict(model["error"]).message
            raise CommandFailed(f"{model['model_type']}/{model['name']} cannot be loaded: {why}")
    return not any(model["awaited"] for model in models)


def _listens(loaded: Settings) -> bool:
    host = ANY_ADDRESS.get(loaded.rpc.host, loaded.rpc.host)
    try:
        socket.create_connection((host, loaded.rpc.port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _address(loaded: Settings) -> str:
    host, port = loaded.rpc.host, loaded.rpc.port
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
