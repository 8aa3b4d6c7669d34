"""How long jobs may compute, and whose time is up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from servers.engine.time_limits import TimeLeft, time_limit_s
from servers.settings import Limits
from servers.speech import Noun
from tests.engine.doubles import a_job

LIMITS = Limits(job_base_s=100, job_s_per_1000_chars=2000, job_s_per_audio_s=10, max_audio_s=60)


def jobs(**limits_s):
    return {int(index[1:]): a_job(time_limit_s=limit_s) for index, limit_s in limits_s.items()}


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 16_000)
    return tmp_path / "a.wav"


class Asked(Noun):
    task: str = "think"
    text: str = ""
    turns: tuple[dict[str, list[str]], ...] = ()
    audio_path: Path = Path("/a/long/path/that/is/no/text.wav")
    seed: int = 7
    voice: str | None = None


def test_a_job_has_time_for_every_character_of_its_texts():
    assert time_limit_s(Asked(), [], LIMITS) == 100
    assert time_limit_s(Asked(text="x" * 500), [], LIMITS) == 1100
    assert time_limit_s(Asked(turns=({"a": ["xx", "xxx"]},)), [], LIMITS) == 110


def test_a_job_has_time_for_every_second_of_its_audio(wav):
    assert time_limit_s(Asked(), [wav, wav], LIMITS) == 110


def test_audio_whose_length_nobody_knows_is_taken_for_long(tmp_path, wav):
    unknown = tmp_path / "a.m4a"
    unknown.write_bytes(bytes(100_000))
    link = tmp_path / "link.wav"
    link.symlink_to(wav)
    assert time_limit_s(Asked(), [unknown], LIMITS) == 100 + 1000
    for path in (tmp_path / "none.wav", link):
        assert time_limit_s(Asked(), [path], LIMITS) == 100 + 600


def test_the_defaults_leave_a_large_model_on_a_slow_cpu_its_time():
    """Ten times real time; 4 characters a second are Chinese, and every text may be said twice."""
    limits = Limits()
    for characters in (10, 300, 20_000):
        assert time_limit_s(Asked(text="x" * characters), [], limits) > 10 * 2 * characters / 4
    assert limits.job_s_per_audio_s >= 20


def test_a_run_is_stuck_once_nothing_ends_within_all_their_limits():
    left = TimeLeft()
    left.begin(jobs(_0=10, _1=20), max_batch=4, now=100)
    assert not left.is_stuck(130)
    assert left.is_stuck(131)
    left.end(1, now=125)
    assert not left.is_stuck(135)
    assert left.is_stuck(136)
    left.end(0, now=140)
    assert not left.is_stuck(9999)


def test_what_comes_to_a_run_gives_it_time():
    left = TimeLeft()
    left.begin(jobs(_0=10), max_batch=4, now=100)
    left.begin(jobs(_1=10), max_batch=4, now=109)
    assert not left.is_stuck(129)
    assert left.is_stuck(130)


def test_a_run_that_was_stuck_stays_so_while_its_jobs_are_put_back_one_by_one():
    left = TimeLeft()
    left.begin(jobs(_0=10, _1=10), max_batch=4, now=100)
    left.end(0, now=121)
    assert left.is_stuck(121)


def test_a_jobs_time_is_used_up_after_those_before_it_and_its_share_of_a_full_batch():
    left = TimeLeft()
    left.begin(jobs(_0=10), max_batch=4, now=100)
    left.begin(jobs(_1=20), max_batch=4, now=105)
    assert left.used_up(150) == []
    assert left.used_up(151) == [0]
    assert left.used_up(216) == [0, 1]
    left.end(0, now=160)
    assert left.used_up(216) == [1]


def test_a_job_without_a_limit_has_all_the_time_there_is_and_so_have_those_beside_it():
    left = TimeLeft()
    left.begin(jobs(_0=None, _1=1), max_batch=1, now=0)
    assert not left.is_stuck(1e9)
    assert left.used_up(1e9) == []
