"""One engine for each GPU and each queue: a second one says what is taken, and leaves the first in peace."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.processes import Process, eventually, free_port, running_engine
from tests.jobs.private_postgres import Missing, private_postgres

QUICK = {"SKYLARK_ENGINE__DRAIN_S": "0"}  # a second engine waits for a first one that is going
NVIDIA_SMI = """#!/bin/sh
echo 'Imaginary GPU, 16384'
"""


@contextmanager
def second_engine(environment: dict[str, str]) -> Iterator[Process]:
    """With a folder and a port of its own, and everything else as the first one has it."""
    with tempfile.TemporaryDirectory(prefix="sky") as folder:
        log = Path(folder) / "second.log"
        own = {"SKYLARK_DATA_DIR": folder, "SKYLARK_ENGINE__PORT": str(free_port())}
        process = Process("servers.engine", environment | own, log)
        try:
            yield process
        finally:
            process.end()


def refusal(environment: dict[str, str]) -> str:
    with second_engine(environment) as second:
        assert second.wait(90) != 0
        return second.log.read_text()


@pytest.fixture
def gpu(tmp_path, monkeypatch) -> None:
    """A machine with a GPU, as far as nvidia-smi knows."""
    program = tmp_path / "nvidia-smi"
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_a_second_engine_on_the_same_gpu_says_who_holds_it(gpu):
    with running_engine(**QUICK) as engine:
        health = engine.client.health()
        assert (health["device"], health["gpu_name"]) == ("cuda:0", "Imaginary GPU")
        assert f"cuda-0.lock is held by process {engine.server.process.pid}" in refusal(engine.environment)


def test_the_budget_is_the_gpus_own_memory(gpu, tmp_path):
    models = tmp_path / "models.yaml"
    models.write_text("backends: {fake: {default: big, models: {big: {vram_mb: 20000}, small: {}}}}")
    with running_engine(SKYLARK_MODELS_FILE=str(models)) as engine:
        job = engine.ended(engine.submit({"text": "a"}))
        assert (job["status"], job["error"]["code"]) == ("failed", "model_load_failed")
        assert "takes 20000 MB" in job["error"]["message"]
        assert "16384 MB" in job["error"]["message"]
        assert engine.ended(engine.submit({"text": "a"}, model="small"))["status"] == "done"


def test_a_second_engine_on_the_same_file_is_refused(tmp_path):
    with running_engine(**QUICK, SKYLARK_DATABASE_URL=f"sqlite:///{tmp_path}/queue.sqlite3") as engine:
        assert "another engine runs the jobs of this queue" in refusal(engine.environment)


def test_a_second_engine_on_the_same_postgres_takes_over_when_the_first_has_ended():
    try:
        with private_postgres() as server:
            check_succession(server.new_database())
    except Missing as missing:
        pytest.skip(str(missing))


def check_succession(url: str) -> None:
    shared = {**QUICK, "SKYLARK_DATABASE_URL": url}
    with running_engine(**shared) as first:
        job_id = first.submit({"text": "a", "chunks": 1_000, "pace_s": 0.05})
        assert "another engine runs the jobs of this queue" in refusal(first.environment)
        eventually(lambda: first.status(job_id) == "running", "the first one still works")
        first.server.end()
    with running_engine(**shared) as second:
        eventually(lambda: second.client.get(job_id)["attempt"] == 2, "the second one has the job")
        assert second.status(job_id) == "running"
        second.client.cancel(job_id)
