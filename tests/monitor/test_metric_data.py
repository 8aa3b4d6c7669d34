"""From readings to what is published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servers.monitor.metric_data import Before, after, metric_data
from servers.monitor.readings import Door, Engine, Gpu, Readings

NOW = 1_800_000_000.0
BUSY = Engine(queued=4, running=2, loading=1, training=1, last_request_at=NOW - 30)
DOORS = {"tts": Door(100, 3, uploads=2, last_request_at=NOW - 10), "whisperx": Door(50, 0)}
ALL = Readings(BUSY, DOORS, Gpu(87.0, 91.5))
ENGINES = {"Queued", "Running", "Loading", "Training", "SecondsPerSegment"}


def published(readings: Readings, before: Before | None = None, now: float = NOW) -> dict[str, float]:
    data = metric_data("speech", readings, before or Before(), now)
    return {each["MetricName"]: each["Value"] for each in data if "Value" in each}


def segments(readings: Readings, before: Before) -> dict[str, float] | None:
    data = metric_data("speech", readings, before, NOW)
    found = [each["StatisticValues"] for each in data if each["MetricName"] == "SecondsPerSegment"]
    return found[0] if found else None


def test_everything_has_its_appliance_its_time_and_its_unit():
    data = metric_data("speech", ALL, Before(DOORS), NOW)
    assert {each["Timestamp"] for each in data} == {NOW}
    assert all(each["Dimensions"] == [{"Name": "Appliance", "Value": "speech"}] for each in data)
    units = {each["MetricName"]: each["Unit"] for each in data}
    assert (units["LastRequestAt"], units["GpuUse"], units["Queued"]) == ("Seconds", "Percent", "Count")
    assert len({each["MetricName"] for each in data}) == len(data)


def test_active_requests_are_the_sum_of_their_parts():
    found = published(ALL)
    assert [found[name] for name in ("Queued", "Running", "Loading", "Training", "Uploads")] == [
        4,
        2,
        1,
        1,
        2,
    ]
    assert found["ActiveRequests"] == 10


def test_work_that_was_accepted_while_it_was_off_is_work():
    found = published(replace(ALL, waiting=7))
    assert (found["Waiting"], found["ActiveRequests"]) == (7, 17)


def test_while_nobody_knows_what_was_accepted_nobody_says_that_nothing_is_active():
    found = published(replace(ALL, waiting=None))
    assert not found.keys() & {"Waiting", "ActiveRequests"}
    assert found["Queued"] == 4


def test_an_engine_that_is_away_leaves_a_heartbeat_and_nothing_that_only_it_knows():
    found = published(replace(ALL, engine=None))
    assert found["Heartbeat"] == 1
    assert not found.keys() & (ENGINES | {"ActiveRequests", "LastRequestAt"})
    assert found["Uploads"] == 2


def test_with_a_door_away_nobody_says_when_the_last_request_was_nor_that_nothing_is_active():
    found = published(replace(ALL, doors=DOORS | {"whisperx": None}), Before(DOORS))
    assert not found.keys() & {"ActiveRequests", "LastRequestAt", "Uploads"}
    assert found["Queued"] == 4
    assert found["Requests"] == 0


def test_with_everything_away_there_is_a_heartbeat():
    silent = Readings(None, {"tts": None, "whisperx": None})
    assert published(silent, Before(DOORS, NOW, NOW)) == {"Heartbeat": 1, "SpotInterruption": 0, "Waiting": 0}


def test_a_notice_is_published():
    assert published(replace(ALL, interruption=True))["SpotInterruption"] == 1


def test_without_a_gpu_there_is_nothing_of_it():
    assert not published(replace(ALL, gpu=None)).keys() & {"GpuUse", "GpuMemoryUsed"}
    assert published(ALL)["GpuMemoryUsed"] == 91.5


def test_the_last_request_is_the_latest_that_anybody_knows_of():
    assert published(ALL)["LastRequestAt"] == NOW - 10
    ended = replace(BUSY, ended=((NOW - 5, 1.0),))
    assert published(replace(ALL, engine=ended))["LastRequestAt"] == NOW - 5


def test_nobody_has_asked_yet_and_that_is_told():
    idle = Readings(Engine(), {"tts": Door(), "whisperx": Door()})
    assert published(idle)["LastRequestAt"] == 0
    assert published(idle)["ActiveRequests"] == 0


def test_a_door_that_was_started_again_does_not_make_the_last_request_older():
    before = after(ALL, Before())
    again = Readings(replace(BUSY, last_request_at=None), {"tts": Door(), "whisperx": Door()})
    assert published(again, before)["LastRequestAt"] == NOW - 10


def test_a_last_request_is_never_in_the_future():
    ahead = replace(ALL, doors=DOORS | {"tts": Door(last_request_at=NOW + 500)})
    assert published(ahead)["LastRequestAt"] == NOW


def test_requests_are_those_since_the_last_publication():
    later = replace(ALL, doors={"tts": Door(107, 4), "whisperx": Door(51, 1)})
    found = published(later, Before(DOORS))
    assert (found["Requests"], found["Errors"]) == (8, 2)


def test_a_first_publication_does_not_know_how_many_requests_came():
    assert not published(ALL).keys() & {"Requests", "Errors"}


def test_a_door_that_was_started_again_counts_from_nothing():
    later = replace(ALL, doors={"tts": Door(7, 1), "whisperx": Door(51, 0)})
    found = published(later, Before(DOORS))
    assert (found["Requests"], found["Errors"]) == (8, 1)


def test_what_a_door_did_while_it_was_not_heard_is_counted_once_it_is():
    before = after(replace(ALL, doors=DOORS | {"tts": None}), Before(DOORS))
    later = replace(ALL, doors=DOORS | {"tts": Door(130, 3)})
    assert published(later, before)["Requests"] == 30


@pytest.mark.parametrize(
    ("ended_at", "expected"),
    [
        (NOW - 20, {"SampleCount": 2.0, "Sum": 5.0, "Minimum": 1.0, "Maximum": 4.0}),
        (NOW - 5, None),
        (None, None),
    ],
)
def test_the_seconds_per_segment_are_of_the_jobs_that_ended_since(ended_at, expected):
    ended = ((NOW - 5, 4.0), (NOW - 9, 1.0), (NOW - 20, 100.0))
    assert segments(replace(ALL, engine=replace(BUSY, ended=ended)), Before(ended_at=ended_at)) == expected


def test_the_first_job_of_a_new_machine_is_among_them():
    before = after(Readings(Engine(), DOORS), Before())
    first = Engine(ended=((NOW - 1, 2.5),))
    assert segments(Readings(first, DOORS), before)["Sum"] == 2.5


def test_an_engine_that_is_away_does_not_have_a_job_published_twice():
    ended = replace(BUSY, ended=((NOW - 5, 4.0),))
    before = after(replace(ALL, engine=ended), Before())
    before = after(replace(ALL, engine=None), before)
    assert segments(replace(ALL, engine=ended), before) is None


@pytest.mark.parametrize(("ended_at", "expected"), [(NOW - 20, 61.5), (NOW - 5, 0.0), (None, None)])
def test_the_seconds_of_audio_are_of_the_jobs_that_ended_since(ended_at, expected):
    audio = ((NOW - 5, 60.0), (NOW - 9, 1.5), (NOW - 20, 100.0))
    found = published(replace(ALL, engine=replace(BUSY, audio=audio)), Before(ended_at=ended_at))
    assert found.get("AudioSeconds") == expected
