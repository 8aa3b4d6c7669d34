"""From what a client asks for to a job."""

from __future__ import annotations

import os

import numpy as np
import pytest
import soundfile

from servers.catalog import Catalog
from servers.engine.submission import Batch, Caller, JobFactory, Stream, Submission
from servers.errors import InvalidRequest, TooLarge, UnknownModel, UnsupportedAudio
from servers.settings import Limits, Settings, settings

FIELD = "reference_audio_path"
LIMITS = Limits(max_text_chars=500)


@pytest.fixture
def factory(tmp_path):
    models = tmp_path / "models.yaml"
    models.write_text("backends: {qwen3_tts: {default: a, models: {a: {checkpoint: a}}}}")
    return JobFactory(Settings(engine={"file_roots": [str(tmp_path)]}, limits=LIMITS), Catalog.load(models))


def job(factory, caller=None, **fields):
    fields = {"model_type": "qwen3_tts", "payload": {"text": "Hi."}} | fields
    return factory.job(Submission.parse(fields), caller or Caller(), now=7.0)


def named(factory, path, *, remote):
    made = job(factory, Caller(remote=remote), payload={"text": "Hi.", FIELD: str(path)})
    return made.payload[FIELD]


def test_every_file_that_a_remote_caller_names_lies_under_the_roots(factory, tmp_path):
    with pytest.raises(InvalidRequest, match="must lie under") as raised:
        named(factory, "/etc/passwd", remote=True)
    assert raised.value.param == f"payload.{FIELD}"
    assert named(factory, tmp_path / "clip.wav", remote=True) == str(tmp_path / "clip.wav")
    assert named(factory, "/etc/passwd", remote=False) == os.path.realpath("/etc/passwd")


def test_a_link_is_followed_when_the_job_is_made_and_for_callers_on_the_machine_alone(factory, tmp_path):
    (tmp_path / "link.wav").symlink_to(tmp_path / "clip.wav")
    assert named(factory, tmp_path / "link.wav", remote=False) == str(tmp_path / "clip.wav")
    with pytest.raises(InvalidRequest, match="links are not followed") as raised:
        named(factory, tmp_path / "link.wav", remote=True)
    assert raised.value.param == f"payload.{FIELD}"


@pytest.mark.parametrize("remote", [True, False])
def test_what_is_no_regular_file_is_refused_whoever_names_it(factory, tmp_path, remote):
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "folder.wav").mkdir()
    for name, says in (("fifo.wav", "it is a FIFO"), ("folder.wav", "it is a folder")):
        with pytest.raises(UnsupportedAudio, match=says) as raised:
            named(factory, tmp_path / name, remote=remote)
        assert raised.value.param == f"payload.{FIELD}"


def test_what_a_client_leaves_out_is_filled_in(factory):
    made = job(factory, deadline_s=3.0)
    assert (made.model, made.payload["task"], made.created_at, made.deadline_at) == ("a", "synthesize", 7, 10)
    assert not made.preemptible


def test_the_time_limit_follows_from_what_is_asked_for(factory, tmp_path):
    soundfile.write(tmp_path / "clip.wav", np.zeros(8000), 16_000)
    alone, cloned = (
        job(factory, payload={"text": "x" * 500, **clip}).time_limit_s
        for clip in ({}, {FIELD: str(tmp_path / "clip.wav")})
    )
    assert alone == LIMITS.job_base_s + LIMITS.job_s_per_1000_chars / 2
    assert cloned - alone == LIMITS.job_s_per_audio_s / 2


def test_an_empty_batch_key_is_alone_and_none_is_with_whoever_else(factory):
    assert job(factory, batch_key="").batch_key is None
    assert job(factory).batch_key == job(factory).batch_key != job(factory, batch_key="k").batch_key


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"model_type": "nobody"}, UnknownModel, "model_type"),
        ({"model": "b"}, UnknownModel, "model"),
        ({"payload": {"text": "a\0b"}}, InvalidRequest, "payload.text"),
        ({"payload": {"text": "x" * 501}}, TooLarge, "payload.text"),
        ({"payload": {"text": "a", "instruct": "x" * 501}}, TooLarge, "payload.instruct"),
        ({"payload": {"text": "a", "instruct": ["b", {"c": "x" * 501}]}}, TooLarge, "payload.instruct.1.c"),
        ({"payload": {"text": "a", FIELD: "/" + "x" * 4_096}}, TooLarge, f"payload.{FIELD}"),
        ({"model": "b" * 201}, InvalidRequest, "model"),
        ({"payload": {"text": "a", "task": "sing"}}, InvalidRequest, "payload.task"),
        ({"result_path": "/etc/a.wav"}, InvalidRequest, "result_path"),
        ({"payload": {"text": "a", "result_path": 1}}, InvalidRequest, "payload.result_path"),
    ],
)
def test_what_cannot_be_is_named(factory, fields, error, param):
    with pytest.raises(error) as raised:
        job(factory, **fields)
    assert raised.value.param == param


def test_a_text_may_have_nothing_in_it_for_that_is_told_when_it_is_its_turn(factory):
    assert job(factory, payload={"text": " "}).payload["text"] == " "
    assert len(job(factory, payload={"text": "x" * 500}).payload["text"]) == 500


@pytest.mark.parametrize("kind", [Batch, Stream])
def test_no_more_jobs_than_the_limit_are_taken_at_once(kind):
    most = settings().limits.max_texts
    assert len(kind.parse({"jobs": [{"model_type": "qwen3_tts"}] * most}).jobs) == most
    with pytest.raises(TooLarge, match=f"{most + 1} at once; at most {most}") as raised:
        kind.parse({"jobs": [{}] * (most + 1)})  # none of them is looked at
    assert raised.value.param == "jobs"


def test_a_path_is_no_text_and_may_be_as_long_as_paths_are(factory, tmp_path):
    path = tmp_path / ("x" * 200) / ("y" * 200) / ("z" * 200)
    assert named(factory, path, remote=False) == str(path)


def test_what_is_wrong_with_one_of_several_is_named_by_its_place(factory):
    good, bad = (Submission(model_type="qwen3_tts", payload={"text": text}) for text in ("Hi.", "x" * 501))
    with pytest.raises(TooLarge) as raised:
        factory.jobs([good, bad], Caller(), 7.0)
    assert raised.value.param == "jobs.1.payload.text"


def test_a_stream_goes_on_after_a_position_for_each_job():
    submission = {"model_type": "qwen3_tts", "payload": {}}
    stream = Stream.parse({"jobs": [submission] * 2, "after": [{"attempt": 2, "samples": 9}, None]})
    assert [(each.attempt, each.samples) for each in stream.positions()] == [(2, 9), (0, 0)]
    with pytest.raises(InvalidRequest, match="1 positions for 2 jobs"):
        Stream.parse({"jobs": [submission] * 2, "after": [None]}).positions()
