"""What EC2 refuses a start with, and what follows: one sentence each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.starts import Start, State
from start.refusals import backoff_s, next_type, refused
from tests.lambda_.start.a_start import ASKED, NO_CAPACITY, NOW, TYPES

CURRENT = "g5.xlarge"


def after(start: Start, code: str, type: str = CURRENT, types: tuple[str, ...] = TYPES) -> Start:
    return refused(start, code, "as EC2 says it", type, types, NOW)


def test_a_type_without_capacity_is_followed_by_the_next_at_once():
    start = after(ASKED, NO_CAPACITY)
    assert (start.state, start.next_attempt_at, start.attempts) == (State.STARTING, NOW, 1)
    assert next_type(start, CURRENT, TYPES) == "g6.xlarge"
    assert start.fault.code == NO_CAPACITY


def test_after_the_last_type_the_first_is_tried_again_later():
    start = ASKED
    for type in TYPES:
        start = after(start, NO_CAPACITY, type)
    assert start.next_attempt_at == NOW + 30
    assert next_type(start, TYPES[-1], TYPES) == TYPES[0]


def test_the_rounds_come_twice_as_late_each_time_and_ten_minutes_at_most():
    waits = []
    start = ASKED
    for _ in range(8):
        for type in TYPES:
            start = after(start, NO_CAPACITY, type)
        waits.append(start.next_attempt_at - NOW)
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]
    assert backoff_s(10_000) == 600


def test_without_a_list_the_same_type_is_tried_again_later():
    start = after(after(ASKED, NO_CAPACITY, types=()), NO_CAPACITY, types=())
    assert start.next_attempt_at == NOW + 60
    assert next_type(start, CURRENT, ()) == CURRENT


@pytest.mark.parametrize("code", ["Unsupported", "InvalidParameterValue", "VcpuLimitExceeded"])
def test_a_type_that_is_none_for_this_place_is_not_tried_again(code):
    start = after(ASKED, code)
    for type in TYPES[1:]:
        start = after(start, NO_CAPACITY, type)
    assert next_type(start, CURRENT, TYPES) == "g6.xlarge"
    assert start.next_attempt_at == NOW + 30


def test_where_no_type_is_left_the_start_has_failed_and_names_them():
    start = ASKED
    for type in TYPES:
        start = after(start, "Unsupported", type)
    assert (start.state, start.notice) == (State.FAILED, "Unsupported")
    for name in (*TYPES, "this region or zone does not have it", "INSTANCE_TYPES"):
        assert name in start.notice_why


@pytest.mark.parametrize("code", ["UnsupportedOperation", "IncorrectSpotRequestState"])
def test_a_spot_instance_that_ec2_stopped_is_waited_for_and_said_to_be(code):
    start = after(ASKED, code, types=(CURRENT,))
    assert (start.state, start.next_attempt_at) == (State.STARTING, NOW + 30)
    assert "started by EC2 once it has capacity" in start.fault.message
    assert "as EC2 says it" in start.fault.message


def test_a_quota_says_where_to_ask_for_more():
    start = after(ASKED, "VcpuLimitExceeded", types=())
    assert start.state == State.FAILED
    assert "Service Quotas" in start.fault.message


@pytest.mark.parametrize("code", ["IncorrectInstanceState", "ScalingActivityInProgress"])
def test_a_machine_that_changed_meanwhile_is_looked_at_again(code):
    assert after(ASKED, code) == ASKED


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("UnauthorizedOperation", "docs/cloud.md"),
        ("ValidationError", "as EC2 says it"),
    ],
)
def test_what_a_person_has_to_mend_ends_it_at_once_and_says_what(code, says):
    start = after(ASKED, code)
    assert (start.state, start.notice) == (State.FAILED, code)
    assert says in start.notice_why


@pytest.mark.parametrize("code", ["InternalError", "ServiceUnavailable", "WhatNobodyKnows"])
def test_what_may_pass_is_tried_again(code):
    start = after(replace(ASKED, attempts=1), code, types=())
    assert (start.state, start.next_attempt_at, start.fault.code) == (State.STARTING, NOW + 60, code)
