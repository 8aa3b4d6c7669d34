"""A real engine with real runners: what a client of the job API is promised."""

from __future__ import annotations

import uuid
from hashlib import sha256

import numpy as np
import pytest
import requests
import soundfile

from servers.errors import (
    Conflict,
    DeadlineExceeded,
    InvalidRequest,
    JobCancelled,
    JobNotFound,
    QueueFull,
    SkylarkError,
    UnknownModel,
    UnknownVoice,
)
from tests.acceptance.processes import eventually, running_engine

LONG = {"text": "long", "chunks": 2000, "pace_s": 0.02}


@pytest.fixture(scope="module")
def engine():
    keys = {name: sha256(f"{name}'s".encode()).hexdigest() for name in ("alice", "bob")}
    with running_engine(
        SKYLARK_ENGINE__MAX_QUEUED="40",
        SKYLARK_ENGINE__MAX_MODELS="2",
        SKYLARK_ENGINE__CANCEL_GRACE_S="1",
        SKYLARK_ENGINE__MIN_RESIDENCY_S="0",
        SKYLARK_API_KEYS=",".join(f"{name}:{digest}" for name, digest in keys.items()),
    ) as engine:
        (engine.folder / "files").mkdir()
        yield engine


@pytest.fixture
def busy(engine):
    """A job that runs until the test is over, so that others stay queued."""
    job_id = engine.submit(LONG)
    eventually(lambda: engine.status(job_id) == "running", "the long job runs")
    yield job_id
    engine.client.cancel(job_id)


def test_a_job_is_done_with_its_result_and_its_audio(engine):
    job = engine.ended(engine.submit({"text": "hi", "chunks": 3, "level": 5}))
    assert (job["status"], job["attempt"], job["error"]) == ("done", 1, None)
    assert job["result"]["samples"] == 4800
    assert job["result"]["duration_s"] == pytest.approx(0.3)
    assert engine.audio(job["id"]) == np.full(4800, 5, "<i2").tobytes()


def test_audio_can_be_read_from_any_sample_on(engine):
    job = engine.ended(engine.submit({"text": "hi"}))
    assert engine.audio(job["id"], start=4000) == engine.audio(job["id"])[8000:]
    assert engine.audio(job["id"], start=10**9) == b""


def test_audio_arrives_while_it_is_made(engine):
    job_id = engine.submit({"text": "hi", "chunks": 40, "pace_s": 0.05})
    with engine.client.audio(job_id) as audio:
        first = next(audio.chunks)
        assert engine.status(job_id) == "running"
        assert audio.sample_rate == 16_000
        rest = b"".join(audio.chunks)
    assert len(first + rest) == 40 * 1600 * 2


def test_a_dropped_stream_continues_where_it_was(engine):
    job_id = engine.submit({"text": "hi", "chunks": 20, "pace_s": 0.02})
    with engine.client.audio(job_id) as audio:
        first = next(audio.chunks)
    rest = engine.audio(job_id, start=len(first) // 2)
    assert first + rest == engine.audio(job_id)


def test_a_transcription_makes_no_audio(engine, tmp_path):
    job = engine.ended(engine.submit({"task": "transcribe", "audio_path": str(tmp_path / "a.wav")}))
    assert job["result"]["text"] == "a.wav"
    with pytest.raises(Conflict, match="no audio"):
        engine.audio(job["id"])


def test_the_jobs_of_a_batch_reach_the_model_together(engine, busy):
    jobs = [
        {"model_type": "fake", "payload": {"text": str(i), "level": i}, "batch_key": "b"} for i in range(4)
    ]
    ids = engine.client.submit(jobs)
    engine.client.cancel(busy)
    done = [engine.ended(job_id) for job_id in ids]
    assert len({job["started_at"] for job in done}) == 1
    assert [np.frombuffer(engine.audio(job_id), "<i2")[0] for job_id in ids] == [0, 1, 2, 3]


def test_a_models_options_say_how_many_jobs_it_is_given_together(engine):
    job = {"model_type": "fake", "model": "narrow", "payload": {"text": "a"}, "batch_key": "b"}
    done = [engine.ended(job_id) for job_id in engine.client.submit([job] * 4)]
    assert [[job["started_at"] for job in done].count(at) for at in {job["started_at"] for job in done}] == [
        2,
        2,
    ]


def test_one_bad_text_in_a_batch_leaves_the_others(engine):
    jobs = [
        {"model_type": "fake", "payload": {"text": "t", "voice": v}, "batch_key": "v"} for v in ("low", "x")
    ]
    good, bad = (engine.ended(job_id) for job_id in engine.client.submit(jobs))
    assert (good["status"], bad["status"]) == ("done", "failed")
    assert "low, high" in bad["error"]["message"]


@pytest.mark.parametrize("text", ["", " \n", "<speak>Hello.</speak>"])
def test_a_text_in_which_there_is_nothing_to_say_fails_in_its_place(engine, text):
    jobs = [{"model_type": "fake", "payload": {"text": each}} for each in ("a", text, "b")]
    ended = [engine.ended(job_id) for job_id in engine.client.submit(jobs)]
    assert [job["status"] for job in ended] == ["done", "failed", "done"]
    assert (ended[1]["error"]["code"], ended[1]["error"]["param"]) == ("invalid_request", "text")


def test_a_result_names_what_the_model_did_not_act_on(engine, tmp_path):
    spoken = {"text": "a", "voice": "low", "instruct": "softly", "seed": 0, "language": None}
    heard = {"task": "transcribe", "audio_path": str(tmp_path / "a.wav"), "temperature": 0.5}
    assert engine.ended(engine.submit(spoken))["result"]["ignored"] == ["instruct", "seed"]
    assert engine.ended(engine.submit(heard))["result"]["ignored"] == ["temperature"]
    assert engine.ended(engine.submit({"text": "a"}))["result"]["ignored"] == []


def test_the_audio_of_a_failed_job_is_its_error(engine):
    with pytest.raises(UnknownVoice):
        engine.audio(engine.submit({"text": "hi", "voice": "x"}))


def test_a_model_that_makes_no_audio_has_failed(engine):
    job = engine.ended(engine.submit({"text": "hi", "chunks": 0}))
    assert job["error"]["message"] == "the model made no audio"


def test_a_queued_job_is_withdrawn_and_a_running_one_is_not(engine, busy):
    job_id = engine.submit({"text": "hi"})
    engine.client._call("DELETE", f"/jobs/{job_id}")
    assert engine.status(job_id) == "cancelled"
    with pytest.raises(JobNotFound, match=f"is running, and .*: POST /jobs/{busy}/cancel ends it"):
        engine.client._call("DELETE", f"/jobs/{busy}")


def test_cancelling_a_running_job_frees_the_model_for_the_next(engine, busy):
    engine.client.cancel(busy)
    assert engine.status(busy) == "cancelled"
    assert engine.ended(engine.submit({"text": "hi"}))["status"] == "done"
    with pytest.raises(JobCancelled):
        engine.audio(busy)


def test_a_model_that_does_not_let_go_is_ended_and_the_next_job_runs(engine):
    deaf = engine.submit({"text": "hi", "deaf_s": 60})
    with engine.client.audio(deaf) as audio:
        next(audio.chunks)
    engine.client.cancel(deaf)
    assert engine.status(deaf) == "cancelled"
    assert engine.ended(engine.submit({"text": "hi"}))["status"] == "done"


def test_cancelling_an_ended_job_changes_nothing(engine):
    job = engine.ended(engine.submit({"text": "hi"}))
    engine.client.cancel(job["id"])
    assert engine.status(job["id"]) == "done"


def test_waiting_ends_when_the_time_is_up_or_the_client_has_gone(engine, busy):
    with pytest.raises(DeadlineExceeded):
        engine.client.wait(busy, timeout_s=0.05)
    with pytest.raises(JobCancelled):
        engine.client.wait(busy, timeout_s=9, wanted=lambda: False)


def test_an_urgent_job_goes_first(engine, busy):
    later, urgent = engine.submit({"text": "a"}, batch_key=""), engine.submit({"text": "b"}, priority=0)
    engine.client.cancel(busy)
    assert engine.ended(urgent)["started_at"] < engine.ended(later)["started_at"]


def test_the_queue_shows_what_runs_what_waits_and_what_ended(engine, busy):
    waiting = engine.submit({"text": "b"})
    queue = engine.client.queue()
    assert queue["active"]["id"] == busy
    assert [job["id"] for job in queue["queued"]] == [waiting]
    assert "owner" not in queue["active"]
    engine.client.cancel(waiting)


def test_a_full_queue_says_when_to_come_back(engine, busy):
    jobs = [{"model_type": "fake", "payload": {"text": "x"}}] * 41
    with pytest.raises(QueueFull) as full:
        engine.client.submit(jobs)
    assert full.value.retry_after_s


def test_a_model_that_cannot_load_fails_its_jobs_with_its_reason_and_the_others_run(engine):
    job = engine.ended(engine.submit({"text": "hi"}, model="missing"))
    assert job["error"]["code"] == "model_load_failed"
    assert "weights are missing" in job["error"]["message"]
    assert (
        engine.ended(engine.submit({"text": "hi"}, model="crashing"))["error"]["code"] == "model_load_failed"
    )
    assert engine.ended(engine.submit({"text": "hi"}))["status"] == "done"
    assert model_states(engine) >= {("missing", "failed"), ("one", "ready"), ("three", "unloaded")}


def test_jobs_of_a_ready_model_go_on_while_another_loads(engine):
    engine.ended(engine.submit({"text": "a"}))
    slow = engine.submit({"text": "a"}, model="slow")
    quick = engine.ended(engine.submit({"text": "b"}))
    assert quick["finished_at"] < engine.ended(slow)["started_at"]


def test_a_model_is_loaded_pinned_and_unloaded_by_hand(engine):
    call = engine.client._call
    assert call("POST", "/models/fake/three/load")["state"] == "ready"
    assert call("POST", "/models/three/pin")["pinned"]
    for model in ("one", "two"):  # there is room for two: the pinned one and another
        assert engine.ended(engine.submit({"text": "a"}, model=model))["status"] == "done"
    assert model_states(engine) >= {("two", "ready"), ("three", "ready"), ("one", "unloaded")}
    assert not call("DELETE", "/models/three/pin")["pinned"]
    assert call("POST", "/models/three/unload")["state"] == "unloaded"


def test_a_model_with_work_in_hand_is_not_unloaded(engine, busy):
    with pytest.raises(Conflict, match="work in hand"):
        engine.client._call("POST", "/models/one/unload")


@pytest.mark.parametrize("seconds", [0, -1, 3601, "soon", None])
def test_a_hold_has_bounds(engine, seconds):
    with pytest.raises(InvalidRequest) as refused:
        engine.client.hold_model("fake/three", seconds)
    assert refused.value.param == "seconds"


def test_loading_a_model_that_cannot_load_says_why(engine):
    loaded = engine.client._call("POST", "/models/missing/load")
    assert (loaded["state"], loaded["error"]["code"]) == ("failed", "model_load_failed")
    with pytest.raises(UnknownModel, match="fake/one"):
        engine.client._call("POST", "/models/nobody/load")


def test_idle_models_leave_after_a_time_that_can_be_changed_while_running(engine):
    engine.ended(engine.submit({"text": "a"}))
    config = {"idle_timeout_seconds": 0.1}
    assert engine.client._call("PUT", "/gpu/config", json=config) == config
    eventually(lambda: ("one", "unloaded") in model_states(engine), "the idle model left")
    engine.client._call("PUT", "/gpu/config", json={"idle_timeout_seconds": 0})


def model_states(engine) -> set[tuple[str, str]]:
    return {(model["name"], model["state"]) for model in engine.client.models()["models"]}


def test_a_model_that_jobs_wait_for_is_loaded_beside_a_busy_one_where_there_is_room(engine):
    engine.client._call("POST", "/models/two/unload")
    crowd = [engine.submit({"text": "a", "pace_s": 0.1}, batch_key="") for _ in range(30)]
    other = engine.submit({"text": "b"}, model="two")
    eventually(lambda: ("two", "ready") in model_states(engine), "the other model is ready")
    assert engine.status(crowd[-1]) == "queued"
    for job_id in (*crowd, other):
        engine.client.cancel(job_id)


def test_events_tell_of_each_change_until_the_job_has_ended(engine):
    job_id = engine.submit({"text": "hi", "chunks": 5, "pace_s": 0.02})
    seen = [job["status"] for job in engine.events(job_id)]
    assert seen[-1] == "done"
    assert set(seen) <= {"queued", "running", "done"}
    assert seen == sorted(seen, key=["queued", "running", "done"].index)
    assert [job["status"] for job in engine.events(job_id)] == ["done"]


def test_the_result_is_written_where_the_client_wants_it(engine):
    wav, text = engine.folder / "files" / "hello.wav", engine.folder / "files" / "heard.txt"
    engine.ended(engine.submit({"text": "hi", "level": 9}, result_path=str(wav)))
    samples, rate = soundfile.read(wav, dtype="int16")
    assert (rate, len(samples), set(samples)) == (16_000, 4800, {9})
    heard = {"task": "transcribe", "audio_path": "/a.wav", "result_path": str(text)}  # as seed 000 has it
    job = engine.ended(engine.submit(heard))
    assert (job["result_path"], text.read_text()) == (str(text), "a.wav\n")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("hello.wav", "absolute"),
        ("/tmp/../etc/hello.wav", "absolute"),
        ("/etc/hello.wav", "must lie under one of"),
        ("/tmp/a\0b.wav", "NUL"),
        ("{folder}/files/link/hello.wav", "links are not followed"),
        ("{folder}/files/none/hello.wav", "no folder"),
        ("{folder}/files/hello.exe", "must end in one of"),
    ],
)
def test_a_result_path_that_is_not_allowed_is_refused(engine, path, says):
    link = engine.folder / "files" / "link"
    if not link.is_symlink():
        link.symlink_to("/etc")
    with pytest.raises(InvalidRequest, match=says) as raised:
        engine.submit({"text": "a"}, result_path=path.format(folder=engine.folder))
    assert raised.value.param == "result_path"


def test_a_job_that_ran_out_of_memory_is_tried_once_more_alone_on_the_device(engine, tmp_path):
    engine.ended(engine.submit({"text": "a"}, model="two"))
    job = engine.ended(engine.submit({"text": "a", "out_of_memory_once": str(tmp_path / "marker")}))
    assert (job["status"], job["attempt"]) == ("done", 2)
    assert ("two", "unloaded") in model_states(engine)


def test_compatible_jobs_share_the_model_and_one_that_wants_to_be_alone_does_not(engine, busy):
    shared = [engine.submit({"text": "a"}) for _ in range(3)]
    alone = engine.submit({"text": "a"}, batch_key="")
    engine.client.cancel(busy)
    starts = [engine.ended(job_id)["started_at"] for job_id in (*shared, alone)]
    assert len(set(starts[:3])) == 1
    assert starts[3] not in starts[:3]


def test_over_tcp_a_job_belongs_to_the_key_that_made_it(engine):
    url, body = f"http://127.0.0.1:{engine.port}", {"model_type": "fake", "payload": {"text": "a"}}
    alice, bob = {"X-API-Key": "alice's"}, {"X-API-Key": "bob's"}
    assert requests.post(f"{url}/jobs", json=body, timeout=60).status_code == 401
    job_id = requests.post(f"{url}/jobs", json=body, headers=alice, timeout=60).json()["job_id"]
    assert requests.get(f"{url}/jobs/{job_id}", headers=alice, timeout=60).json()["id"] == job_id
    for path in ("", "/audio", "/events"):
        assert requests.get(f"{url}/jobs/{job_id}{path}", headers=bob, timeout=60).status_code == 404
    assert requests.post(f"{url}/jobs/{job_id}/cancel", headers=bob, timeout=60).status_code == 404
    queue = requests.get(f"{url}/queue", headers=bob, timeout=60).json()
    assert queue["recent"] == queue["queued"] == queue["running"] == []
    for field, payload in (
        ("audio_path", {"task": "transcribe", "audio_path": "/etc/passwd"}),
        ("crash_once", {"text": "a", "crash_once": "/etc/passwd"}),  # whatever is a path
    ):
        stolen = {"model_type": "fake", "payload": payload}
        error = requests.post(f"{url}/jobs", json=stolen, headers=bob, timeout=60).json()["error"]
        assert error["param"] == f"payload.{field}"


def test_a_repeated_submit_gives_the_first_job(engine):
    first, again = (engine.submit({"text": "a"}, idempotency_key="k") for _ in range(2))
    assert first == again
    with pytest.raises(Conflict) as raised:
        engine.submit({"text": "b"}, idempotency_key="k")
    assert raised.value.param == "Idempotency-Key"


def test_a_batch_that_is_sent_again_with_its_key_gives_the_same_jobs(engine):
    url, headers = f"http://127.0.0.1:{engine.port}", {"X-API-Key": "alice's", "Idempotency-Key": "book"}
    job = {"model_type": "fake", "payload": {"text": "a"}}
    batch = {"jobs": [job, job | {"idempotency_key": "mine"}, job]}
    first, again = (
        requests.post(f"{url}/jobs/batch", json=batch, headers=headers, timeout=60).json()["job_ids"]
        for _ in range(2)
    )
    assert first == again
    assert len(set(first)) == 3
    for key, place in (("book/0", 0), ("mine", 1), ("book/2", 2)):
        named = headers | {"Idempotency-Key": key}
        one = requests.post(f"{url}/jobs", json=job, headers=named, timeout=60).json()
        assert one == {"job_id": first[place]}
    too_long = headers | {"Idempotency-Key": "k" * 193}
    error = requests.post(f"{url}/jobs/batch", json=batch, headers=too_long, timeout=60).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "Idempotency-Key")


def test_a_job_that_is_queued_past_its_deadline_expires(engine, busy):
    job = engine.ended(engine.submit({"text": "a"}, deadline_s=0.1))
    assert (job["status"], job["error"]["code"]) == ("expired", "job_expired")


def test_events_have_the_record_of_attempts(engine, tmp_path):
    job_id = engine.submit({"text": "a", "crash_once": str(tmp_path / "marker")})
    *_, last = engine.events(job_id)
    assert [attempt["outcome"] for attempt in last["attempts"]] == ["lost", "done"]
    assert last["attempts"][0]["error"]["code"] == "runner_crashed"


BAD = [
    ({"model_type": "nothing"}, UnknownModel, "model_type", "espeak, pocketsphinx, fake"),
    ({"model": "nothing"}, UnknownModel, "model", "one, two"),
    ({"payload": {}}, InvalidRequest, "payload.text", "required"),
    ({"payload": {"text": 7}}, InvalidRequest, "payload.text", "string"),
    ({"payload": {"text": "a", "tempo": 1}}, InvalidRequest, "payload.tempo", "known are"),
    ({"payload": {"task": "align"}}, InvalidRequest, "payload.task", "synthesize, transcribe"),
    ({"priority": -1}, InvalidRequest, "priority", "greater than or equal to 0"),
    ({"urgent": True}, InvalidRequest, "urgent", "unknown field"),
    ({"payload": {"text": "a\0b"}}, InvalidRequest, "payload.text", "NUL"),
    ({"payload": {"text": "a", "style": ["b", {"c": "\0"}]}}, InvalidRequest, "payload.style.1.c", "NUL"),
]


@pytest.mark.parametrize(("change", "kind", "param", "says"), BAD)
def test_bad_input_is_a_typed_error_that_names_the_field(engine, change, kind, param, says):
    with pytest.raises(kind, match=says) as raised:
        engine.client.submit([{"model_type": "fake", "payload": {"text": "a"}, **change}])
    assert raised.value.param == param


def test_a_bad_job_among_several_is_named_by_its_place(engine):
    job = {"model_type": "fake", "payload": {"text": "a"}}
    with pytest.raises(InvalidRequest) as raised:
        engine.client.submit([job, job, {**job, "priority": -1}])
    assert raised.value.param == "jobs.2.priority"


@pytest.mark.parametrize("path", ["/jobs/{}", "/jobs/{}/audio"])
def test_an_unknown_job_is_not_found(engine, path):
    with pytest.raises(JobNotFound):
        engine.client._call("GET", path.format(uuid.uuid4()))


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon"])
def test_a_wait_that_is_no_time_is_refused(engine, wait):
    with pytest.raises(SkylarkError) as raised:
        engine.client._call("GET", f"/jobs/{uuid.uuid4()}", fields={"wait": wait})
    assert (raised.value.code, raised.value.param) == ("invalid_request", "wait")


# the last one: where a model is held there is no room for others


def test_a_held_model_is_not_unloaded_and_the_error_says_until_when(engine):
    engine.client.load_model("fake/three")
    assert 10 < engine.client.hold_model("fake/three", 30)["held_s"] <= 30
    assert engine.client.hold_model("fake/three", 0.1)["held_s"] > 0.1
    with pytest.raises(Conflict, match=r"fake/three is held until 20\d\d-.*\+00:00, for \d+\.\d s") as held:
        engine.client.unload_model("fake/three")
    assert 0 < held.value.retry_after_s <= 30
    assert ("three", "ready") in model_states(engine)
