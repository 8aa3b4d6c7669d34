"""The audio of a job while it grows, and afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from servers.jobs.job import Job
from servers.jobs.results import Results

PCM = np.arange(100, dtype="<i2").tobytes()


@pytest.fixture
def job():
    return Job(id="a-b", model_type="fake", model="one", token=1)


def test_what_was_appended_can_be_read_while_it_grows(tmp_path, job):
    live = Results(tmp_path).record(job)
    live.append(PCM, 16_000)
    assert live.path.read_bytes() == PCM
    assert (live.samples, live.duration_s, live.complete) == (100, 100 / 16_000, None)
    live.append(PCM, 16_000)
    live.seal()
    assert live.path.read_bytes() == PCM + PCM
    assert live.complete


def test_an_abandoned_recording_leaves_no_file_and_takes_no_more(tmp_path, job):
    live = Results(tmp_path).record(job)
    live.append(PCM, 16_000)
    live.abandon()
    live.append(PCM, 16_000)
    assert not live.path.exists()
    assert live.complete is False


def test_a_changed_sample_rate_is_refused(tmp_path, job):
    live = Results(tmp_path).record(job)
    live.append(PCM, 16_000)
    with pytest.raises(ValueError, match="16000 to 22050"):
        live.append(PCM, 22_050)
    live.abandon()


def test_a_file_that_cannot_be_made_is_an_error_of_the_first_chunk(tmp_path, job):
    results = Results(tmp_path)
    results.path(job).parent.rmdir()
    live = results.record(job)
    with pytest.raises(OSError, match=r"a-b\.1\.s16"):
        live.append(PCM, 16_000)
    assert live.samples == 0
    live.abandon()


def test_each_claim_has_a_file_of_its_own_and_all_are_deleted_together(tmp_path, job):
    results = Results(tmp_path)
    second = Job(id=job.id, model_type="fake", model="one", token=2)
    other = Job(id="c-d", model_type="fake", model="one", token=1)
    for each in (job, second, other):
        results.record(each).seal()
    assert results.path(job) != results.path(second)
    results.delete([job.id])
    assert [file.name for file in (tmp_path / "results").iterdir()] == ["c-d.1.s16"]
