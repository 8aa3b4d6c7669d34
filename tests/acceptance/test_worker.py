"""`skylark worker`: two of one file on one machine, registered in a real Redis, and what becomes of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
import yaml

from servers.rpc import skylark_pb2 as wire
from servers.rpc.skylark_pb2_grpc import TTSStub
from servers.rpc.workers import Worker, listed, pick
from servers.settings import ROOT
from tests.acceptance.processes import START_S, eventually, free_port
from tests.rpc.private_redis import MISSING, PrivateRedis, is_missing, private_redis

pytestmark = pytest.mark.skipif(is_missing(), reason=MISSING)
CALL_S = 60.0
STOP_S = 90.0


class Running:
    """A worker of the command line."""

    def __init__(self, folder: Path, config: Path, name: str | None = None, *arguments: str) -> None:
        named = {} if name is None else {"WORKER_NAME": name}
        self.log = folder / f"{name or 'first'}.log"
        self.out = folder / f"{name or 'first'}.out"
        with self.log.open("ab") as log, self.out.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "servers.cli", "worker", "--config", str(config), *arguments],
                cwd=ROOT,
                env=os.environ | {"SKYLARK_DATA_DIR": str(folder)} | named,
                stdout=out,
                stderr=log,
            )

    @property
    def said(self) -> str:
        return self.out.read_text()

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return "\nworker " in self.said

        eventually(is_ready, "it prints its address", START_S)

    def child(self, module: str) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(each for each in children if module in " ".join(each.cmdline()))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def end(self) -> None:
        """Whatever state it is in, nothing of it is left."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sky") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def redis(folder: Path) -> Iterator[PrivateRedis]:
    with private_redis(folder) as server:
        yield server


@pytest.fixture(scope="module")
def config(folder: Path, redis: PrivateRedis) -> Path:
    """config/worker.yaml on ports that are free."""
    content = yaml.safe_load((ROOT / "config" / "worker.yaml").read_text())
    content["redis"] = {"url": redis.url, "registration_ttl_seconds": 5, "heartbeat_interval_seconds": 0.2}
    content["worker"]["grpc_port"] = two_ports()
    path = folder / "worker.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def two_ports() -> int:
    """One that is free, and so is the next."""
    for _ in range(100):
        with socket.socket() as probe, suppress(OSError):
            port = free_port()
            probe.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no two ports are free")


@pytest.fixture(scope="module")
def workers(folder: Path, config: Path) -> Iterator[list[Running]]:
    both = [
        Running(folder, config, None, "--adapter", "mock"),
        Running(folder, config, "tts-worker-1", "--adapter", "mock"),
    ]
    try:
        for each in both:
            each.wait_until_ready()
        yield both
    finally:
        for each in both:
            each.end()


def ready(redis: PrivateRedis) -> list[Worker]:
    return [worker for worker in listed(redis.url) if worker.status == "ready"]


def port_of(config: Path) -> int:
    return int(yaml.safe_load(config.read_text())["worker"]["grpc_port"])


def test_two_of_one_file_are_at_ports_of_their_own_and_registered(workers, redis, config):
    eventually(lambda: len(ready(redis)) == 2, "both are registered as ready")
    port = port_of(config)
    assert [(worker.name, worker.address) for worker in ready(redis)] == [
        ("tts-worker-0", f"127.0.0.1:{port}"),
        ("tts-worker-1", f"127.0.0.1:{port + 1}"),
    ]
    assert f"worker tts-worker-1  127.0.0.1:{port + 1}  mock/tone" in workers[1].said
    value = json.loads(redis.cli("GET", "worker:tts-worker-0"))
    assert value["capabilities"] == {
        "streaming": True,
        "zero_shot": False,  # which the file says, and the mock cannot
        "lora": False,
        "cpu_ok": True,
        "languages": ["en"],
        "max_concurrent_sessions": 3,
    }
    assert {"name": "mock/tone", "state": "ready", "sessions": 0} in value["models"]
    assert set(redis.cli("KEYS", "worker:*").splitlines()) == {"worker:tts-worker-0", "worker:tts-worker-1"}


def test_the_one_that_is_picked_speaks_the_tone_and_tells_its_load(workers, redis):
    eventually(lambda: len(ready(redis)) == 2, "both are ready")
    chosen = pick(listed(redis.url), "mock/tone")
    with grpc.insecure_channel(chosen.address) as channel:
        stub = TTSStub(channel)
        session = stub.StartSession(wire.StartSessionRequest(), timeout=CALL_S).session_id
        said = [
            wire.SynthesizeRequest(opening=wire.Opening(session_id=session)),
            wire.SynthesizeRequest(text=wire.Text(text="A tone, for a second or so.", flush=True)),
        ]
        frames = [
            each.frame for each in stub.Synthesize(iter(said), timeout=CALL_S) if each.HasField("frame")
        ]
        assert {len(frame.audio) for frame in frames} == {1920}
        samples = np.frombuffer(b"".join(frame.audio for frame in frames), "<i2").astype(float)
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        assert np.argmax(spectrum) * 48_000 / len(samples) == pytest.approx(440, abs=2)
        eventually(
            lambda: pick(listed(redis.url), "mock/tone").name != chosen.name, "the other is less loaded now"
        )
        stub.EndSession(wire.EndSessionRequest(session_id=session), timeout=CALL_S)


def test_its_lines_of_a_session_name_it(workers, redis):
    with grpc.insecure_channel(listed(redis.url)[0].address) as channel:
        stub = TTSStub(channel)
        session = stub.StartSession(wire.StartSessionRequest(), timeout=CALL_S).session_id
        stub.EndSession(wire.EndSessionRequest(session_id=session), timeout=CALL_S)

    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in workers[0].log.read_text().splitlines() if line.startswith("{")]

    eventually(
        lambda: (
            [line["action"] for line in lines() if line.get("session_id") == session]
            == ["start_session", "end_session"]
        ),
        "both are logged",
    )


def test_a_containers_probe_says_whether_it_is_ready(workers, config):
    def probe(port: int) -> tuple[int, str]:
        ran = subprocess.run(
            [sys.executable, "-m", "servers.rpc.probe"],
            cwd=ROOT,
            env=os.environ | {"SKYLARK_RPC__HOST": "0.0.0.0", "SKYLARK_RPC__PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
            timeout=CALL_S,
        )
        return ran.returncode, ran.stdout

    assert probe(port_of(config)) == (0, "rpc: ready\n")
    code, said = probe(free_port())
    assert (code, said.startswith("rpc: ")) == (1, True)


def test_a_name_that_is_in_use_on_this_machine_is_refused(workers, folder, config):
    second = Running(folder, config, "tts-worker-0", "--adapter", "mock")
    try:
        assert second.process.wait(START_S) == 1
    finally:
        second.end()
    assert "another `skylark worker` (process" in second.log.read_text()
    assert "give this one another WORKER_NAME" in second.log.read_text()


def test_an_engine_that_is_killed_is_started_again_and_the_worker_is_ready_again(workers, redis):
    eventually(lambda: len(ready(redis)) == 2, "both are ready")
    engine = workers[1].child("servers.engine")
    for process in (engine, *engine.children(recursive=True)):
        process.kill()
    eventually(lambda: "tts-worker-1" not in {each.name for each in ready(redis)}, "it is not ready any more")
    eventually(lambda: "tts-worker-1" in {each.name for each in ready(redis)}, "it is ready again", START_S)
    assert "the engine ended with -9, and is started again" in workers[1].log.read_text()


def test_a_worker_that_is_told_to_end_is_gone_from_redis_and_leaves_nothing(workers, redis):
    family = psutil.Process(workers[1].process.pid).children(recursive=True)
    assert workers[1].stop() == 0
    assert [worker.name for worker in listed(redis.url)] == ["tts-worker-0"]
    assert workers[1].said.endswith("stopped\n")
    psutil.wait_procs(family, timeout=STOP_S)
    assert not [process for process in family if process.is_running()]
