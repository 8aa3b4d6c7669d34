"""How long work took, over HTTP."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from servers.jobs.durations import MODEL_LOAD, S3_UPLOAD, Durations
from servers.settings import settings


def test_averages_and_history_are_of_what_was_noted_by_whatever_process(client: FlaskClient) -> None:
    assert (client.get("/ops/averages").json, client.get("/ops/history").json) == ({}, [])
    others = Durations(settings().data_dir)
    others.note(MODEL_LOAD, 12.5)
    others.note(S3_UPLOAD, 0.8, job_id="a")
    assert client.get("/ops/averages").json == {
        MODEL_LOAD: {"avg_seconds": 12.5, "count": 1},
        S3_UPLOAD: {"avg_seconds": 0.8, "count": 1},
    }
    assert [each["op_name"] for each in client.get("/ops/history").json] == [S3_UPLOAD, MODEL_LOAD]
    assert [each["job_id"] for each in client.get("/ops/history?job_id=a").json] == ["a"]
    assert len(client.get("/ops/history?op_name=model_load&limit=1").json) == 1
    assert client.get("/ops/running").json == []


@pytest.mark.parametrize("limit", ["0", "10001", "ten", "1.5", "-1", "9" * 30, ""])
def test_a_limit_that_is_none_is_refused(client: FlaskClient, limit: str) -> None:
    reply = client.get(f"/ops/history?limit={limit}")
    assert (reply.status_code, reply.json["error"]["param"]) == (422, "limit")
