from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable

import pytest
from flask import Flask

from servers.logs import JsonLines

SECRET = "marmalade-7531"


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The log as our formatter writes it, down to DEBUG."""
    caplog.set_level(logging.DEBUG)
    return lambda: [JsonLines().format(record) for record in caplog.records]


def test_requests_are_counted_by_endpoint_and_status(make_app: Callable[[], Flask]) -> None:
    client = make_app().test_client()
    for path in ("/health", "/toys/health", "/full", "/nowhere/1", "/nowhere/2"):
        client.get(path)
    text = client.get("/toys/metrics").text
    count = "skylark_http_request_duration_seconds_count"
    assert f'{count}{{endpoint="toys.health",method="GET",server="toys",status="200"}} 2.0' in text
    assert f'{count}{{endpoint="toys.full",method="GET",server="toys",status="429"}} 1.0' in text
    assert f'{count}{{endpoint="unmatched",method="GET",server="toys",status="404"}} 2.0' in text
    assert "nowhere" not in text


def test_a_client_cannot_invent_labels(make_app: Callable[[], Flask]) -> None:
    client = make_app().test_client()
    client.open("/health", method="BREW")
    assert "BREW" not in client.get("/metrics").text


def test_each_app_counts_for_itself(make_app: Callable[[], Flask]) -> None:
    make_app().test_client().get("/health")
    assert "toys.health" not in make_app().test_client().get("/metrics").text


LAST = "skylark_last_request_timestamp_seconds{"


@pytest.mark.parametrize("path", ["/health", "/toys/health", "/health/", "/metrics", "/nowhere"])
def test_who_only_looks_or_finds_nothing_is_no_last_request(make_app: Callable[[], Flask], path: str) -> None:
    client = make_app().test_client()
    client.get(path)
    assert LAST not in client.get("/metrics").text


def test_who_is_not_let_in_is_no_last_request(
    configure: Callable[..., None], make_app: Callable[[], Flask]
) -> None:
    configure(TTS_API_KEY=SECRET)
    client = make_app().test_client()
    client.post("/things", json={"name": "a"})
    assert LAST not in client.get("/metrics", headers={"X-API-Key": SECRET}).text


def test_the_last_request_is_timed_even_if_it_failed(make_app: Callable[[], Flask]) -> None:
    client = make_app().test_client()
    before = time.time()
    client.get("/full")
    (line,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith(LAST)]
    assert before <= float(line.rpartition(" ")[2]) <= time.time()
    assert 'server="toys"' in line


def test_one_line_for_each_request(make_app: Callable[[], Flask], written: Callable[[], list[str]]) -> None:
    make_app().test_client().get("/toys/full?text=hush", headers={"X-Request-ID": "r1"}).close()
    (line,) = [json.loads(line) for line in written()]
    assert line["duration_ms"] >= 0
    expected = {
        "level": "INFO",
        "action": "request",
        "request_id": "r1",
        "method": "GET",
        "path": "/toys/full",
        "endpoint": "toys.full",
        "status": 429,
        "error": "queue_full",
        "owner": None,
    }
    assert expected.items() <= line.items()


def test_a_defect_is_logged_with_its_frames_and_request_id(
    make_app: Callable[[], Flask], written: Callable[[], list[str]]
) -> None:
    make_app().test_client().get("/defect?text=hush", headers={"X-Request-ID": "r1"})
    line = json.loads(written()[0])
    assert (line["level"], line["request_id"]) == ("ERROR", "r1")
    assert "in defect" in line["exception"]
    assert line["exception"].endswith("RuntimeError")


def test_no_text_and_no_key_reaches_a_log(
    configure: Callable[..., None], make_app: Callable[[], Flask], written: Callable[[], list[str]]
) -> None:
    configure(TTS_API_KEY=SECRET)
    client = make_app().test_client()
    key, wrong = {"X-API-Key": SECRET}, {"X-API-Key": f"{SECRET}-wrong"}
    bearer = {"Authorization": f"Bearer {SECRET}"}
    client.get(f"/defect?text={SECRET}", headers=key).close()
    client.post("/things", json={"name": SECRET}, headers=key).close()
    client.post("/things", json={"name": "a", "size": SECRET}, headers=bearer).close()
    client.post("/things", json={SECRET: 1}, headers=key).close()
    client.post("/things", json={"name": SECRET}, headers=wrong).close()
    lines = written()
    assert len(lines) == 6
    assert not [line for line in lines if SECRET in line]


def test_causes_are_logged_without_their_messages() -> None:
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise KeyError(SECRET) from error
    except KeyError as error:
        text = JsonLines().formatException((KeyError, error, error.__traceback__))
    assert "builtins.KeyError\ncaused by\n" in text
    assert text.endswith("builtins.ValueError")
    assert SECRET not in text
