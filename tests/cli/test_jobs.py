from __future__ import annotations

import json
from typing import Any

import pytest

from servers.cli import jobs
from servers.errors import EngineUnavailable, JobNotFound


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


ACTIVE = job("a", "running", progress=0.25)
QUEUED = job("b", "queued", priority=0)
FAILED = job("c", "failed", error={"code": "backend_failed", "message": "no breath", "param": None})


class StandInEngine:
    """What the engine's socket would answer."""

    snapshot: dict[str, Any]

    def __init__(self, _socket: object) -> None:
        pass

    def queue(self) -> dict[str, Any]:
        return self.snapshot

    def get(self, job_id: str) -> dict[str, Any]:
        if job_id != "a":
            raise JobNotFound(f"there is no job {job_id}")
        return ACTIVE


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr(jobs, "JobsClient", StandInEngine)
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
    assert [row.split()[:2] for row in rows] == [["a", "running"], ["b", "queued"], ["c", "failed"]]
    assert "25%" in rows[0]
    assert rows[2].endswith("no breath")


def test_jobs_as_json(engine, run):
    assert json.loads(run("jobs", "--json").stdout) == {"jobs": [ACTIVE, QUEUED, FAILED]}


def test_one_job_is_shown_field_by_field(engine, run):
    assert "status           running\n" in run("jobs", "a").stdout
    assert json.loads(run("jobs", "a", "--json").stdout) == ACTIVE


def test_an_unknown_job_is_exit_code_1(engine, run):
    result = run("jobs", "z")
    assert (result.exit_code, result.stderr) == (1, "skylark: there is no job z\n")


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
    assert result.stderr == "skylark: the engine cannot be reached (ConnectError)\n"
