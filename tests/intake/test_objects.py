"""Bodies and results in moto's bucket."""

from __future__ import annotations

import io

import pytest

from servers.cloud.connection import CloudFailed
from servers.intake.objects import IN_MEMORY, BodyGone, Objects
from servers.intake.outcomes import Done

LARGE = bytes(range(256)) * 40_000  # over what is kept in memory, and over 8 MiB


@pytest.mark.parametrize("body", [b"", b"{}", LARGE], ids=["empty", "small", "large"])
def test_a_body_comes_as_it_was_sent(accepted, body):
    assert len(LARGE) > IN_MEMORY
    work = accepted.work(accepted.accept(body=body))
    with accepted.objects.body(work) as file:
        assert file.read() == body


def test_a_body_that_is_gone_is_said_to_be(accepted):
    work = accepted.work(accepted.accept())
    accepted.objects.discard_body(work)
    with pytest.raises(BodyGone), accepted.objects.body(work):
        pass


def test_with_a_job_that_was_handed_over_go_its_files(accepted):
    id, other = accepted.accept(work="job"), accepted.accept(work="job")
    files = [f"accepted/{id}/audio_path.wav", f"accepted/{id}/saves/step/weights"]
    for key in (*files, f"accepted/{id}0", f"accepted/{other}/audio_path.wav"):
        accepted.s3.put_object(Bucket=accepted.bucket_name, Key=key, Body=b"")
    accepted.objects.discard_body(accepted.work(id))
    left = [f"accepted/{id}0", f"accepted/{other}", f"accepted/{other}/audio_path.wav"]
    assert sorted(accepted.keys()) == sorted(left)


@pytest.mark.parametrize("result", [b"", b"RIFF", LARGE], ids=["empty", "small", "large"])
def test_a_result_that_was_kept_is_found_with_all_that_is_said_of_it(accepted, result):
    work = accepted.work(accepted.accept())
    assert accepted.objects.kept(work) is None
    done = Done(206, "audio/mpeg", len(result))
    assert accepted.objects.keep(work, io.BytesIO(result), done) == done
    assert accepted.result(work.id) == result
    assert accepted.objects.kept(work) == done


def test_the_first_result_stays(accepted):
    work = accepted.work(accepted.accept())
    first = accepted.objects.keep(work, io.BytesIO(b"first"), Done(200, "text/plain", 5))
    second = accepted.objects.keep(work, io.BytesIO(b"the second"), Done(201, "audio/wav", 10))
    assert second == first
    assert accepted.result(work.id) == b"first"


def test_the_audio_of_jobs_is_found_beside_their_result(accepted):
    work = accepted.work(accepted.accept())
    for place, wav in ((0, b"one"), (11, b"eleven")):
        assert accepted.objects.keep_audio(work, place, io.BytesIO(wav)) == len(wav)
    assert accepted.objects.kept(work) is None, "without the result itself it is not whole"
    accepted.objects.keep(work, io.BytesIO(b"{}"), Done(200, "application/json", 2, {"0": 3, "11": 6}))
    assert accepted.objects.kept(work) == Done(200, "application/json", 2, {"0": 3, "11": 6})


def test_a_bucket_that_is_away_is_no_answer(accepted):
    work = accepted.work(accepted.accept())
    lost = Objects(accepted.s3, "skylark-none")
    with pytest.raises(CloudFailed, match="NoSuchBucket"):
        lost.keep(work, io.BytesIO(b""), Done(200, "text/plain", 0))
