"""When the frames of a stream may be sent."""

import math

import pytest

from servers.rpc.pace import BURST_S, Pace

FRAME_S = 0.02


def sent_at(pace, count, now=0.0, every_s=0.0):
    """When each of so many frames goes, which are made `every_s` apart."""
    times = []
    for _ in range(count):
        for _ in range(10):
            if (wait_s := pace.wait_s(now)) <= 0:
                break
            now += wait_s
        pace.sent(now)
        times.append(now)
        now += every_s
    return times


def test_without_a_limit_no_frame_waits():
    assert sent_at(Pace(math.inf), 1_000) == [0.0] * 1_000


@pytest.mark.parametrize("ahead_s", [0.02, 0.5, 2.0])
def test_no_frame_is_ahead_of_the_ear_by_more_than_the_limit_and_none_is_late(ahead_s):
    times = sent_at(Pace(ahead_s), 1_000)
    for number, at in enumerate(times):
        heard_until = (number + 1) * FRAME_S
        assert heard_until - at <= ahead_s + 1e-5
        assert at <= number * FRAME_S + 1e-5


def test_once_it_is_full_frames_go_in_bursts():
    late = [round(at, 3) for at in sent_at(Pace(2.0), 500) if at > 0]
    assert len(set(late)) <= len(late) * FRAME_S / BURST_S + 1


def test_what_comes_late_is_heard_when_it_comes():
    pace = Pace(0.5)
    slow = sent_at(pace, 20, every_s=1.0)
    assert slow == [float(number) for number in range(20)]
    assert len([at for at in sent_at(pace, 100, now=30.0) if at == 30.0]) == 25


def test_what_waits_at_the_client_during_a_pause_waits_still_after_it():
    pace = Pace(0.5)
    assert sent_at(pace, 25) == [0.0] * 25
    pace.held(60.0)
    assert pace.wait_s(60.0) > 0


def test_after_a_stop_nothing_is_ahead():
    pace = Pace(0.5)
    sent_at(pace, 25)
    pace.begin_again()
    assert sent_at(pace, 25, now=0.1) == [0.1] * 25
