from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response

from servers.errors import BackendFailed, DeadlineExceeded, InvalidRequest, StorageFailed
from servers.jobs.request import Done
from servers.web.batch import WHOLE, Outcome, Write, batch_reply
from tests.web.served import eventually, request, serving

NO, LATE = BackendFailed("no"), DeadlineExceeded("too late")


def done(size: int = 1) -> Done:
    return Done("id", {"size": size}, io.BytesIO())


class Asked:
    """A request whose jobs come to these outcomes; an exception that is told of is raised."""

    def __init__(self, *outcomes: Outcome, ends: Exception | None = None, count: int | None = None) -> None:
        self.job_ids = [str(n) for n in range(count or len(outcomes))]
        self._outcomes, self._ends = outcomes, ends
        self.told = 0
        self.closed = False

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_error: object) -> None:
        self.closed = True

    def outcomes(self) -> Iterator[Outcome]:
        for outcome in self._outcomes:
            self.told += 1
            yield outcome
        if self._ends:
            raise self._ends


def write(index: int, outcome: Outcome) -> Iterator[bytes]:
    if isinstance(outcome, Done):
        yield f'{{"place":{index},"made":"'.encode()
        for _ in range(0, outcome.result["size"], 1000):
            yield b"x" * 1000
        yield b'"}'
    else:
        yield json.dumps({"place": index, "error": outcome.code}).encode()


LINES = {"Accept": "application/x-ndjson"}


def reply(asked: Asked, write: Write = write, **headers: str) -> Response:
    with Flask("toys").test_request_context(headers=headers):
        return batch_reply(asked, write, {"model": "toy"})  # type: ignore[arg-type]


def lines(asked: Asked, write: Write = write) -> list[Any]:
    """What became of each job, and then the last line."""
    replied = reply(asked, write, **LINES)
    assert replied.mimetype == "application/x-ndjson"
    *found, last = [json.loads(line) for line in replied.get_data().splitlines()]
    assert asked.closed
    assert [each["index"] for each in found] == [each["place"] for each in found]
    assert [each["index"] for each in found] == list(range(len(asked.job_ids)))
    return [*(each.get("error", "made") for each in found), last]


def results(asked: Asked) -> list[Any]:
    """What became of each job."""
    body = json.loads(reply(asked).get_data())
    assert body["model"] == "toy"
    assert [each["place"] for each in body["results"]] == list(range(len(asked.job_ids)))
    assert asked.closed
    return [each.get("error", "made") for each in body["results"]]


def test_each_result_is_in_its_place() -> None:
    assert results(Asked(done(), done(), done())) == ["made"] * 3
    assert results(Asked(NO, NO, done(), NO)) == [NO.code, NO.code, "made", NO.code]


def test_if_all_fail_the_first_error_is_the_answer() -> None:
    asked = Asked(InvalidRequest("first"), NO)
    with pytest.raises(InvalidRequest):
        reply(asked)
    assert asked.closed


def test_what_ends_a_request_early_is_the_answer_or_in_the_place_of_the_rest() -> None:
    with pytest.raises(DeadlineExceeded):
        reply(Asked(ends=LATE, count=3))
    assert results(Asked(done(), NO, ends=LATE, count=4)) == ["made", NO.code, LATE.code, LATE.code]


def test_a_result_that_cannot_be_written_has_the_reason_in_its_place() -> None:
    full = StorageFailed("the disk is full")

    def write_or_not(index: int, outcome: Outcome) -> Iterator[bytes]:
        if index == 1 and isinstance(outcome, Done):
            raise full
        yield from write(index, outcome)

    asked = Asked(done(), done(), done())
    body = json.loads(reply(asked, write_or_not).get_data())
    assert [each.get("error", "made") for each in body["results"]] == ["made", full.code, "made"]


def test_who_accepts_lines_has_one_for_each_and_one_that_says_that_all_are_done() -> None:
    end = {"done": True, "model": "toy", "job_ids": ["0", "1", "2"]}
    assert lines(Asked(done(1_000_000), NO, done())) == ["made", NO.code, "made", end]
    assert lines(Asked(NO, NO, done())) == [NO.code, NO.code, "made", end]
    assert lines(Asked(done(), ends=LATE, count=3)) == ["made", LATE.code, LATE.code, end]


def test_a_request_that_fails_as_a_whole_has_no_lines() -> None:
    for asked, kind in (
        (Asked(InvalidRequest("first"), NO), InvalidRequest),
        (Asked(ends=LATE, count=2), DeadlineExceeded),
    ):
        with pytest.raises(kind):
            reply(asked, **LINES)
        assert asked.closed


def test_a_line_that_cannot_be_written_has_the_reason_in_it() -> None:
    def write_or_not(index: int, outcome: Outcome) -> Iterator[bytes]:
        if index == 1 and isinstance(outcome, Done):
            raise StorageFailed("the disk is full")
        yield from write(index, outcome)

    assert lines(Asked(done(), done(), done()), write_or_not)[:3] == ["made", StorageFailed.code, "made"]


def test_a_line_is_sent_before_the_next_job_has_ended() -> None:
    asked = Asked(done(), done(), done())
    parts = iter(reply(asked, **LINES).response)
    first = b""
    while not first.endswith(b"\n"):
        first += next(parts)  # type: ignore[arg-type]
    assert (json.loads(first)["index"], asked.told) == (0, 1)


@pytest.mark.parametrize("read", [0, 1])
def test_lines_that_nobody_reads_to_their_end_end_the_request(read: int) -> None:
    asked = Asked(done(), done(), done())
    replied = reply(asked, **LINES)
    for _ in range(read):
        next(iter(replied.response))
    assert not asked.closed
    replied.close()
    assert (asked.closed, asked.told) == (True, 1)


def test_who_accepts_everything_has_json() -> None:
    assert reply(Asked(done()), Accept="*/*").mimetype == "application/json"


def test_a_single_result_has_a_length_unless_it_is_large() -> None:
    assert reply(Asked(done())).content_length
    large = reply(Asked(done(WHOLE)))
    assert large.content_length is None
    assert len(json.loads(large.get_data())["results"][0]["made"]) >= WHOLE


def test_results_are_written_as_they_are_made(make_app: Callable[[], Flask]) -> None:
    asked = Asked(*[done(100_000)] * 1000)
    app = make_app()
    app.add_url_rule("/batch", "batch", lambda: reply(asked))
    with serving(app) as served:
        client = served.client()
        client.send(request("/batch"))
        came = client.answer()
        assert came.read(100_000)
        assert asked.told < 500
        client.sock.close()
        eventually(lambda: asked.closed)
        assert asked.told < 1000
