from __future__ import annotations

import json
from typing import Any

import pytest

from servers.errors import EngineUnavailable, JobNotFound
from servers.settings import settings


def job(id: str, status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": id,
        "status": status,
        "model_type": "espeak",
        "model": "espeak-ng",
        "application_id": "default",
        "priority": 10,
        "created_at": 1.0,
        "progress": None,
        "attempt": 1,
        "error": None,
    } | fields


A, B, C = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")
ACTIVE = job(A, "running", progress=0.25)
QUEUED = job(B, "queued", priority=0)
FAILED = job(C, "failed", error={"code": "backend_failed", "message": "no breath", "param": None})


class StandInEngine:
    """What the engine's socket would answer."""

    snapshot: dict[str, Any]

    def __init__(self, _socket: object) -> None:
        pass

    def close(self) -> None:
        pass

    def queue(self) -> dict[str, Any]:
        return self.snapshot

    def get(self, job_id: str) -> dict[str, Any]:
        if job_id != A:
            raise JobNotFound(f"there is no job {job_id}")
        return ACTIVE


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr("servers.jobs.client.JobsClient", StandInEngine)
    monkeypatch.setattr(
        StandInEngine,
        "snapshot",
        {"active": ACTIVE, "running": [ACTIVE], "queued": [QUEUED], "recent": [FAILED]},
        raising=False,
    )
    return StandInEngine


def test_jobs_lists_running_queued_and_recent_ones(engine, run):
    heading, *rows = run("jobs").stdout.splitlines()
    assert heading.split()[:3] == ["id", "status", "model"]
    assert [row.split()[:2] for row in rows] == [[A, "running"], [B, "queued"], [C, "failed"]]
    assert "25%" in rows[0]
    assert rows[2].endswith("no breath")


def test_jobs_as_json(engine, run):
    assert json.loads(run("jobs", "--json").stdout) == {"jobs": [ACTIVE, QUEUED, FAILED]}


def test_one_job_is_shown_field_by_field(engine, run):
    assert "status           running\n" in run("jobs", A).stdout
    assert json.loads(run("jobs", A, "--json").stdout) == ACTIVE


def test_an_unknown_job_is_exit_code_1(engine, run):
    result = run("jobs", B)
    assert (result.exit_code, result.stderr) == (1, f"skylark: there is no job {B}\n")


@pytest.mark.parametrize("command", [("jobs",), ("srv", "cancel")])
def test_what_is_no_id_is_told_where_ids_are(engine, run, command):
    result = run(*command, "ID")
    assert (result.exit_code, result.stderr) == (
        2,
        "skylark: 'ID' is not the id of a job: `skylark jobs` lists them, `skylark srv submit` prints it\n",
    )


def test_the_queue_is_what_runs_and_what_waits(engine, run):
    lines = run("queue").stdout.splitlines()
    assert lines[0] == "1 running, 1 queued"
    assert len(lines) == 4
    assert json.loads(run("queue", "--json").stdout) == engine.snapshot


def test_an_empty_queue_is_said_to_be_one(engine, run, monkeypatch):
    monkeypatch.setattr(engine, "snapshot", {"active": None, "running": [], "queued": [], "recent": []})
    assert run("jobs").stdout == "no jobs\n"
    assert run("queue").stdout == "0 running, 0 queued\n"


def test_an_engine_that_is_away_is_exit_code_3(engine, run, monkeypatch):
    def away(_: object) -> None:
        raise EngineUnavailable("the engine cannot be reached (ConnectError)")

    monkeypatch.setattr(engine, "queue", away)
    result = run("queue")
    assert result.exit_code == 3
    assert result.stderr.startswith(f"skylark: {settings().engine_socket}: the engine cannot be reached (")
    assert "start scripts/up, or say with --socket where to ask" in result.stderr
