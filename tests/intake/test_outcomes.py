"""What becomes of work that was refused."""

from __future__ import annotations

import pytest

from servers.intake.outcomes import (
    BUSY_PAUSE_S,
    LONGEST_ASKED_S,
    LONGEST_PAUSE_S,
    MOST_COMPUTED,
    MOST_FAILURES,
    Back,
    Failed,
    judge,
    retry_after_s,
)

DATE = "Fri, 31 Dec 1999 23:59:59 GMT"
ERROR = {"code": "unknown_voice", "message": "there is no voice 'nobody'", "param": "voice"}


@pytest.mark.parametrize("status", [400, 404, 405, 409, 410, 413, 415, 422, 426, 301])
def test_a_request_that_is_wrong_ends_with_what_the_door_said_of_it(status):
    assert judge(status, ERROR, None, 0) == Failed(status, ERROR)


def test_an_answer_that_is_none_of_ours_ends_with_its_status():
    assert judge(404, {}, None, 0) == Failed(
        404, {"code": "internal_error", "message": "it was answered with 404"}
    )


@pytest.mark.parametrize("status", [401, 429])
@pytest.mark.parametrize("failures", [0, 1000])
def test_what_says_nothing_of_the_work_never_ends_it(status, failures):
    back = judge(status, ERROR, None, failures)
    assert isinstance(back, Back)
    assert (back.after_s, back.failed) == (BUSY_PAUSE_S, False)


def test_the_pauses_after_errors_become_longer_and_have_an_end():
    pauses = [judge(503, {}, None, n).after_s for n in range(MOST_FAILURES - 1)]
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, LONGEST_PAUSE_S]


@pytest.mark.parametrize("status", [408, 429, 503])
def test_retry_after_is_followed_and_not_for_ever(status):
    assert judge(status, {}, 60, 0).after_s == 60
    assert judge(status, {}, 0.0, 0).after_s >= 2
    assert judge(status, {}, 1e9, 0).after_s == LONGEST_ASKED_S


@pytest.mark.parametrize("status", [408, 502, 503, 504])
def test_an_error_that_passes_is_waited_for_and_at_last_ends_the_work_with_its_reason(status):
    assert judge(status, ERROR, None, MOST_FAILURES - 2).failed
    ended = judge(status, ERROR, None, MOST_FAILURES - 1)
    assert ended == Failed(
        status, ERROR | {"message": "it was tried 10 times; at the last: there is no voice 'nobody'"}
    )


def test_what_was_computed_and_failed_is_computed_anew_a_few_times():
    assert [judge(500, ERROR, None, n, n).anew for n in range(MOST_COMPUTED - 1)] == [True, True]
    assert isinstance(judge(500, ERROR, None, 2, MOST_COMPUTED - 1), Failed)
    assert not judge(503, ERROR, None, 0).anew


def test_a_disk_that_is_full_has_computed_nothing():
    back = judge(500, {"code": "storage_failed", "message": ""}, None, 0)
    assert (back.failed, back.anew) == (True, False)
    assert isinstance(judge(500, {"code": "storage_failed", "message": ""}, None, 5, 2), Back)


def test_an_error_has_bounded_words_whatever_a_client_has_called_a_field():
    failed = judge(422, dict.fromkeys(("code", "message", "param"), "x" * 400_000), None, 0)
    assert {name: len(value) for name, value in failed.error.items()} == {
        "code": 200,
        "message": 1000,
        "param": 200,
    }


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("7", 7), ("0", 0), ("", None), ("-1", None), ("1.5", None), ("²", None), (DATE, None)],
)
def test_a_retry_after_is_a_number_of_seconds(header, seconds):
    assert retry_after_s(header) == seconds
