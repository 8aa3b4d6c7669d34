"""The decision how the machine is; the numbers are those of its cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servers.proxy import snapshot as module
from servers.proxy.answers import Answers, Fault, Health, Jobs, Models, Queue
from servers.proxy.snapshot import Snapshot, State, decide

NOW = 1_000.0
TTS = Health(status="ok", model="voices", backend="piper", voice="joe", model_loaded=True, queue_depth=0)
WHISPERX = Health(status="ok", model="base", backend="faster_whisper", model_loaded=True, queue_depth=0)
AWAY = TTS.model_copy(update={"status": "degraded"})
READY = {"state": "ready", "price_per_hour": 1.2}
UP = Answers(TTS, WHISPERX)


def job(**fields: object) -> dict[str, object]:
    return {
        "id": "7",
        "model_type": "piper",
        "model": "voices",
        "status": "running",
        "priority": 10,
        "application_id": "page-a",
        "progress": 0.5,
        "created_at": 1.0,
        "started_at": 2,
        "finished_at": None,
        "payload": {"task": "synthesize", "text": "a secret"},
    } | fields


def queue(*, running: int = 0, waiting: int = 0, recent: int = 0, state: str = "ready") -> Queue:
    jobs = {
        "running": [job() for _ in range(running)],
        "queued": [job(status="queued", started_at=None, progress=None) for _ in range(waiting)],
        "recent": [job(id=str(n), status="done", finished_at=3.0) for n in range(recent)],
        "waiting": [{"model_type": "piper", "model": "voices", "count": waiting}] if waiting else [],
    }
    model = {"model_type": "piper", "name": "voices", "state": state, "vram_mb": 100, "pinned": False}
    return Queue(Jobs.model_validate(jobs), Models.model_validate({"models": [model]}))


def decided(answers: Answers) -> tuple[State, str]:
    found = decide(answers, None, NOW)
    return found.state, found.message


@pytest.mark.parametrize(
    "answers",
    [
        replace(UP, key=Fault.REFUSED),
        replace(UP, machine=Fault.REFUSED),
        replace(UP, queue=Fault.REFUSED),
        Answers(Fault.REFUSED, Fault.SILENT),
        Answers(Fault.SILENT, Fault.SILENT, Fault.REFUSED),
    ],
)
def test_1_whoever_does_not_take_the_key_has_it_refused(answers):
    assert decided(answers) == (State.REFUSED, module.IS_REFUSED)


def test_1_a_machine_that_is_off_does_not_hide_that_the_key_is_refused():
    assert decided(Answers(Fault.OFF, Fault.OFF, Fault.REFUSED))[0] is State.REFUSED


@pytest.mark.parametrize(
    ("machine", "state", "message"),
    [
        ({"state": "off"}, State.OFF, module.IS_OFF),
        ({"state": "stopping"}, State.STOPPING, module.IS_STOPPING),
        ({"state": "starting", "left_s": None}, State.STARTING, "The machine is starting."),
        (
            {"state": "starting", "left_s": 20},
            State.STARTING,
            "The machine is starting: it is usually ready in 1 minute.",
        ),
        (
            {"state": "starting", "left_s": 118.2},
            State.STARTING,
            "The machine is starting: it is usually ready in 2 minutes.",
        ),
        (
            {"state": "failed", "fault": {"code": "quota", "message": "there is no quota"}},
            State.FAILED,
            "The machine did not start: there is no quota",
        ),
        ({"state": "failed", "fault": None}, State.FAILED, "The machine did not start: nobody said why"),
    ],
)
def test_2_a_machine_that_does_not_serve_is_as_it_says(machine, state, message):
    assert decided(Answers(Fault.OFF, Fault.SILENT, machine)) == (state, message)
    assert decided(Answers(TTS, WHISPERX, machine)) == (state, message)


@pytest.mark.parametrize("machine", [READY, {"state": "something new"}, Fault.SILENT, Fault.GARBLED, None])
def test_2_of_one_that_serves_or_of_which_nothing_is_known_the_servers_tell(machine):
    assert decided(Answers(TTS, WHISPERX, machine)) == (State.READY, "Ready.")


@pytest.mark.parametrize(
    ("answers", "state", "message"),
    [
        (Answers(Fault.OFF, Fault.SILENT), State.OFF, module.IS_OFF),
        (Answers(Fault.SILENT, Fault.GARBLED), State.UNREACHABLE, module.IS_GARBLED),
        (Answers(Fault.SILENT, Fault.SILENT), State.UNREACHABLE, module.IS_SILENT),
        (Answers(Fault.SILENT, Fault.SILENT, Fault.SILENT), State.UNREACHABLE, module.IS_SILENT),
        (Answers(Fault.SILENT, Fault.SILENT, READY), State.UNREACHABLE, module.IS_SILENT_ON),
        (Answers(Fault.SILENT, Fault.SILENT, None, queue(running=1)), State.UNREACHABLE, module.IS_SILENT),
    ],
)
def test_3_without_a_server_it_is_as_whoever_answers_instead_says(answers, state, message):
    assert decided(answers) == (state, message)


def test_4_servers_without_their_engine_cannot_be_used():
    assert decided(Answers(AWAY, AWAY, READY)) == (State.UNREACHABLE, module.IS_DEGRADED)
    assert decided(Answers(AWAY, Fault.SILENT)) == (State.UNREACHABLE, module.IS_DEGRADED)


def test_5_a_model_that_is_being_loaded_is_said_before_the_work_that_waits_for_it():
    loading = queue(waiting=2, state="loading")
    assert decided(replace(UP, queue=loading)) == (State.LOADING, module.IS_LOADING)


@pytest.mark.parametrize(
    ("running", "waiting", "message"),
    [
        (1, 0, "Busy: 1 job runs."),
        (2, 1, "Busy: 2 jobs run and 1 waits."),
        (0, 3, "Busy: 3 wait."),
    ],
)
def test_6_work_is_told_in_numbers(running, waiting, message):
    assert decided(replace(UP, queue=queue(running=running, waiting=waiting))) == (State.BUSY, message)


def test_6_without_the_engines_api_the_servers_tell_how_much_waits():
    waits = TTS.model_copy(update={"queue_depth": 4})
    assert decided(Answers(waits, WHISPERX)) == (State.BUSY, "Busy: 4 wait.")
    assert decided(Answers(waits, WHISPERX, None, Fault.SILENT)) == (State.BUSY, "Busy: 4 wait.")


def test_7_nothing_is_in_the_way():
    found = decide(Answers(TTS, WHISPERX, READY, queue()), None, NOW)
    assert found.shown() == {
        "state": "ready",
        "message": "Ready.",
        "since": NOW,
        "machine": READY,
        "tts": {"ok": True, "backend": "piper", "model": "voices", "voice": "joe"},
        "whisperx": {"ok": True, "backend": "faster_whisper", "model": "base", "voice": None},
    }


def test_one_server_that_is_away_is_said_and_the_other_goes_on():
    assert decided(Answers(Fault.SILENT, WHISPERX)) == (
        State.READY,
        "Ready. The server that speaks does not answer.",
    )
    assert decided(Answers(TTS, AWAY)) == (State.READY, "Ready. The server that listens does not answer.")
    assert decide(Answers(TTS, Fault.SILENT), None, NOW).whisperx is None


def test_a_state_counts_from_when_it_was_first_seen():
    before = decide(UP, None, NOW)
    busy = decide(replace(UP, queue=queue(running=1)), before, NOW + 5)
    assert (before.since, busy.since) == (NOW, NOW + 5)
    assert decide(replace(UP, queue=queue(running=2)), busy, NOW + 9).since == NOW + 5


def test_every_state_can_be_reached_and_every_message_is_a_sentence():
    found: list[Snapshot] = [
        decide(answers, None, NOW)
        for answers in (
            UP,
            replace(UP, queue=queue(running=1)),
            replace(UP, queue=queue(state="loading")),
            replace(UP, key=Fault.REFUSED),
            Answers(Fault.SILENT, Fault.SILENT),
            *(replace(UP, machine={"state": state}) for state in ("off", "starting", "stopping", "failed")),
        )
    ]
    assert {each.state for each in found} == set(State)
    assert all(each.message[0].isupper() and each.message.endswith((".", "why")) for each in found)


# the queue


def test_the_queue_shows_what_runs_what_waits_and_the_last_ten_and_nothing_of_what_is_said():
    shown = queue(running=1, waiting=1, recent=12).shown("page-a")
    assert [each["status"] for each in shown["jobs"]] == ["running", "queued", *["done"] * 10]
    assert shown["waiting"] == 1
    assert shown["models"] == [{"name": "piper/voices", "state": "ready", "vram_mb": 100, "pinned": False}]
    assert shown["jobs"][0] == {
        "id": "7",
        "task": "synthesize",
        "model": "piper/voices",
        "status": "running",
        "priority": 10,
        "progress": 0.5,
        "created_at": 1.0,
        "started_at": 2,
        "finished_at": None,
        "own": True,
    }
    assert "secret" not in str(shown)


def test_a_job_is_ones_own_by_the_id_under_which_it_was_sent():
    assert [each["own"] for each in queue(running=1).shown("page-b")["jobs"]] == [False]
