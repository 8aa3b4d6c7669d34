"""From what a client asks for to a job."""

from __future__ import annotations

import pytest

from servers.catalog import Catalog
from servers.engine.submission import Caller, JobFactory, Stream, Submission
from servers.errors import InvalidRequest, UnknownModel
from servers.settings import Settings

FIELD = "reference_audio_path"


@pytest.fixture
def factory(tmp_path):
    models = tmp_path / "models.yaml"
    models.write_text("backends: {qwen3_tts: {default: a, models: {a: {checkpoint: a}}}}")
    return JobFactory(Settings(engine={"file_roots": [str(tmp_path)]}), Catalog.load(models))


def job(factory, caller=None, **fields):
    fields = {"model_type": "qwen3_tts", "payload": {"text": "Hi."}} | fields
    return factory.job(Submission(**fields), caller or Caller(), now=7.0)


def test_every_file_that_a_remote_caller_names_lies_under_the_roots(factory, tmp_path):
    def named(path, remote):
        made = job(factory, Caller(remote=remote), payload={"text": "Hi.", FIELD: str(path)})
        return made.payload[FIELD]

    with pytest.raises(InvalidRequest, match="must lie under") as raised:
        named("/etc/passwd", remote=True)
    assert raised.value.param == f"payload.{FIELD}"
    (tmp_path / "link.wav").symlink_to(tmp_path / "clip.wav")
    assert named(tmp_path / "link.wav", remote=True) == str(tmp_path / "clip.wav")
    assert named("/etc/passwd", remote=False) == "/etc/passwd"


def test_what_a_client_leaves_out_is_filled_in(factory):
    made = job(factory, deadline_s=3.0)
    assert (made.model, made.payload["task"], made.created_at, made.deadline_at) == ("a", "synthesize", 7, 10)
    assert not made.preemptible


def test_an_empty_batch_key_is_alone_and_none_is_with_whoever_else(factory):
    assert job(factory, batch_key="").batch_key is None
    assert job(factory).batch_key == job(factory).batch_key != job(factory, batch_key="k").batch_key


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"model_type": "nobody"}, UnknownModel, "model_type"),
        ({"model": "b"}, UnknownModel, "model"),
        ({"payload": {"text": "a\0b"}}, InvalidRequest, "payload.text"),
        ({"payload": {"text": " "}}, InvalidRequest, "payload.text"),
        ({"payload": {"text": "a", "task": "sing"}}, InvalidRequest, "payload.task"),
        ({"result_path": "/etc/a.wav"}, InvalidRequest, "result_path"),
        ({"payload": {"text": "a", "result_path": 1}}, InvalidRequest, "payload.result_path"),
    ],
)
def test_what_cannot_be_is_named(factory, fields, error, param):
    with pytest.raises(error) as raised:
        job(factory, **fields)
    assert raised.value.param == param


def test_a_stream_goes_on_after_a_position_for_each_job():
    submission = {"model_type": "qwen3_tts", "payload": {}}
    stream = Stream.parse({"jobs": [submission] * 2, "after": [{"attempt": 2, "samples": 9}, None]})
    assert [(each.attempt, each.samples) for each in stream.positions()] == [(2, 9), (0, 0)]
    with pytest.raises(InvalidRequest, match="1 positions for 2 jobs"):
        Stream.parse({"jobs": [submission] * 2, "after": [None]}).positions()
