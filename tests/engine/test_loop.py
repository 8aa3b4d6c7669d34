"""The loop does what was planned: from a job in the queue to its one end, without a process or a clock."""

from __future__ import annotations

import uuid

import pytest

from servers.engine.models import Phase
from servers.engine.submission import Caller
from servers.errors import BackendFailed, EngineUnavailable, OutOfMemory, StorageFailed
from servers.jobs.job import Job, Status
from tests.engine.doubles import LIMIT_S

BROKEN = BackendFailed("RuntimeError: it broke").to_dict()


def test_a_job_loads_its_model_is_run_and_is_done(rig):
    job_id = rig.submit()
    rig.step()
    assert (rig.phase(), rig.status(job_id)) == (Phase.LOADING, ["queued"])
    runner = rig.ready(rig.runner())
    assert (rig.phase(), rig.status(job_id)) == (Phase.RUNNING, ["running"])
    rig.finish(runner, 0)
    rig.end(runner)
    assert (rig.phase(), rig.status(job_id)) == (Phase.READY, ["done"])
    assert rig.job(job_id).result["samples"] == 100


def test_jobs_that_may_share_the_model_are_given_to_it_together(rig):
    runner = rig.loaded()
    ids = [rig.submit(str(i)) for i in range(6)]
    rig.step()
    ((_, _, payloads),) = [told for told in runner.told if told[0] == "run"]
    assert [payload["text"] for payload in payloads] == ["0", "1", "2", "3"]
    assert rig.status(*ids) == ["running"] * 4 + ["queued"] * 2


def test_the_most_urgent_of_those_that_wait_share_a_batch_with_the_first(rig):
    runner = rig.loaded()
    for text, priority in (("a", 5), ("b", 10), ("c", 7), ("d", 10), ("e", 6)):
        rig.submit(text, priority=priority)
    rig.step()
    assert {payload["text"] for payload in runner.told[0][2]} == {"a", "e", "c", "b"}


def test_a_job_that_is_to_be_alone_is_alone(rig):
    runner = rig.loaded()
    rig.submit("alone", batch_key="")
    rig.submit("other")
    rig.step()
    assert runner.told[0][2] == [{"task": "synthesize", "text": "alone"}]
    assert rig.waits() == 1


def test_a_later_job_joins_the_batch_at_the_next_index(rig):
    runner = rig.loaded()
    first = rig.submit("first")
    rig.step()
    second = rig.submit("second")
    rig.step()
    assert runner.orders == ["run", "join"]
    rig.finish(runner, 1)
    assert rig.status(first, second) == ["running", "done"]
    rig.finish(runner, 0)
    rig.end(runner)
    assert rig.status(first, second) == ["done", "done"]


@pytest.fixture
def wide(make_rig):
    """A rig whose model takes eight at once, and whose runner has one of ten."""
    rig = make_rig({"a": {"max_batch": 8}})
    runner = rig.loaded()
    rig.submit("0")
    rig.step()
    return rig, runner, [rig.submit(str(i)) for i in range(1, 11)]


def test_as_many_join_as_there_is_room_and_others_when_a_quarter_of_the_batch_has_ended(wide):
    rig, runner, ids = wide
    rig.step()
    assert rig.status(*ids) == ["running"] * 7 + ["queued"] * 3
    rig.finish(runner, 2)
    assert rig.status(*ids[7:]) == ["queued"] * 3
    rig.finish(runner, 1)
    assert rig.status(*ids[7:]) == ["running", "running", "queued"]


def test_where_none_joined_for_a_second_one_joins_though_others_have_to_wait_on(wide):
    rig, runner, ids = wide
    rig.step()
    rig.finish(runner, 2)
    assert rig.status(*ids[7:]) == ["queued"] * 3
    rig.step(1.1)
    assert rig.status(*ids[7:]) == ["running", "queued", "queued"]


def test_the_last_that_waits_joins_at_once(rig):
    runner = rig.loaded()
    rig.submit("0")
    rig.step()
    ids = [rig.submit(str(i)) for i in range(1, 5)]
    rig.step()
    rig.finish(runner, 2)
    assert rig.status(ids[-1]) == ["running"]


def test_a_job_that_joined_too_late_goes_back_untried_and_is_run(rig):
    runner = rig.loaded()
    first = rig.submit("first")
    rig.step()
    rig.finish(runner, 0)
    late = rig.submit("late")
    rig.step()
    assert runner.orders == ["run", "join"]
    rig.end(runner, taken=1)
    assert rig.job(first).status is Status.DONE
    assert (rig.status(late), rig.job(late).attempt) == (["running"], 1)
    assert runner.orders == ["run", "join", "run"]
    assert [attempt.outcome for attempt in rig.store.attempts(late)] == ["returned", None]


def test_a_joined_job_can_be_cancelled_alone(rig):
    runner = rig.loaded()
    first = rig.submit("first")
    rig.step()
    second = rig.submit("second")
    rig.step()
    rig.loop.cancel(second)
    rig.step()
    assert runner.told[-1] == ("cancel", rig.run().number, 1)
    assert rig.status(first, second) == ["running", "cancelled"]


def test_a_cancelled_run_is_stopped_and_given_up_after_its_grace(rig):
    runner = rig.loaded()
    job_id = rig.submit()
    rig.step()
    rig.loop.cancel(job_id)
    rig.step()
    assert runner.told[-1] == ("cancel", rig.run().number, None)
    rig.step(rig.limits.cancel_grace_s - 1)
    assert not runner.is_killed
    rig.step(2)
    assert runner.is_killed


def test_nothing_joins_a_run_that_was_cancelled(rig):
    runner = rig.loaded()
    job_id = rig.submit()
    rig.step()
    rig.loop.cancel(job_id)
    rig.step()
    rig.submit()
    rig.step()
    assert "join" not in runner.orders


def test_what_a_stopped_run_still_says_changes_nothing(rig):
    runner = rig.loaded()
    job_id = rig.submit()
    rig.step()
    rig.loop.cancel(job_id)
    rig.step()
    rig.finish(runner, 0)
    assert rig.status(job_id) == ["cancelled"]
    assert not list((rig.results.path(rig.job(job_id)).parent).iterdir())


def test_a_job_whose_runner_dies_is_run_again_by_another_and_fails_after_three_attempts(rig):
    rig.loaded()
    job_id = rig.submit()
    for attempt in (1, 2, 3):
        rig.step()
        assert rig.job(job_id).attempt == attempt
        runner = rig.runner()
        runner.is_killed = True
        rig.say(runner, "gone")
        if attempt < 3:
            rig.ready(rig.runner())
    assert (rig.status(job_id), rig.job(job_id).error["code"]) == (["failed"], "runner_crashed")


def test_a_runner_that_was_given_up_for_dead_cannot_speak_for_its_job(rig):
    zombie = rig.loaded()
    job_id = rig.submit()
    rig.step()
    number = rig.run().number
    zombie.is_killed = True
    rig.say(zombie, "gone")
    rig.ready(rig.runner())
    rig.say(zombie, "result", run=number, index=0, result={"words": []})
    assert rig.status(job_id) == ["running"]


def test_each_job_of_a_batch_that_broke_is_tried_alone(rig):
    runner = rig.loaded()
    ids = [rig.submit(str(i)) for i in range(3)]
    rig.step()
    rig.say(runner, "broken", run=rig.run().number, error=BROKEN, taken=3)
    rig.end(runner)
    assert [len(told[2]) for told in runner.told if told[0] == "run"] == [3, 1]
    rig.say(runner, "broken", run=rig.run().number, error=BROKEN, taken=1)
    assert rig.status(*ids) == ["failed", "queued", "queued"]


def test_a_job_that_was_to_join_a_batch_that_broke_has_not_been_tried(rig):
    runner = rig.loaded()
    rig.submit("first")
    rig.step()
    late = rig.submit("late")
    rig.step()
    rig.say(runner, "broken", run=rig.run().number, error=BROKEN, taken=1)
    assert (rig.status(late), rig.job(late).attempt) == (["queued"], 0)


def test_a_tried_job_is_joined_by_nobody(rig):
    runner = rig.loaded()
    rig.submit("first")
    rig.step()
    runner.is_killed = True
    rig.say(runner, "gone")
    again = rig.ready(rig.runner())
    rig.submit("second")
    rig.step()
    assert again.orders == ["run"]


def test_a_job_that_the_model_forgot_has_failed(rig):
    runner = rig.loaded()
    job_id = rig.submit()
    rig.step()
    rig.end(runner)
    assert rig.job(job_id).error["message"] == "the model ended without a result"


def test_a_model_that_made_no_audio_has_failed(rig):
    runner = rig.loaded()
    job_id = rig.submit()
    rig.step()
    rig.say(runner, "result", run=rig.run().number, index=0, result={"words": []})
    assert rig.job(job_id).error["message"] == "the model made no audio"


def test_a_model_that_cannot_be_loaded_fails_its_jobs(rig):
    ids = [rig.submit(), rig.submit()]
    rig.step()
    rig.say(rig.runner(), "failed", error=BackendFailed("no weights").to_dict())
    assert rig.status(*ids) == ["failed", "failed"]
    assert rig.fleet.models["toy", "a"].load_error is not None


def test_a_runner_that_cannot_be_started_fails_its_jobs_with_the_reason(rig):
    rig.cannot_start = FileNotFoundError(2, "No such file or directory", "/nowhere/bin/python")
    job_id = rig.submit()
    rig.step()
    assert "/nowhere/bin/python" in rig.job(job_id).error["message"]


def test_a_model_whose_runner_dies_three_times_while_it_loads_is_given_up(rig):
    job_id = rig.submit()
    for _ in range(3):
        rig.step()
        runner = rig.runner()
        runner.is_killed = True
        rig.say(runner, "gone")
    assert "ended 3 times while it loaded" in rig.job(job_id).error["message"]


def test_a_job_that_ran_out_of_memory_is_tried_once_more_when_all_others_have_left(rig):
    other, runner = rig.loaded("b"), rig.loaded("a")
    job_id = rig.submit()
    rig.step()
    rig.fail(runner, OutOfMemory("full"))
    rig.end(runner)
    assert other.is_killed
    assert rig.status(job_id) == ["queued"], "it waits until the memory is back"
    rig.say(other, "gone")
    assert (rig.status(job_id), rig.job(job_id).attempt) == (["running"], 2)
    rig.fail(runner, OutOfMemory("full"))
    assert rig.job(job_id).error["code"] == "out_of_memory"


def test_a_model_that_ran_out_of_memory_while_it_loaded_is_loaded_once_more(rig):
    other = rig.loaded("b")
    job_id = rig.submit()
    rig.step()
    first = rig.runner("a")
    rig.say(first, "failed", error=OutOfMemory("full").to_dict())
    rig.say(first, "gone")
    assert other.is_killed
    rig.say(other, "gone")
    second = rig.runner("a")
    assert (second is not first, rig.status(job_id)) == (True, ["queued"])
    rig.say(second, "failed", error=OutOfMemory("full").to_dict())
    assert rig.status(job_id) == ["failed"]


def test_a_model_whose_job_ran_out_of_memory_and_was_cancelled_drives_nobody_out(rig):
    rig.loaded("b")
    runner = rig.loaded("a")
    job_id = rig.submit()
    rig.step()
    rig.fail(runner, OutOfMemory("full"))
    rig.end(runner)
    rig.service.withdraw(job_id, Caller())
    rig.say(rig.runners[0], "gone")
    for _ in range(10):
        other = rig.submit(model="b")
        rig.step()
        if rig.phase("b") is Phase.LOADING:
            rig.ready(rig.runner("b"))
        rig.finish(rig.runner("b"), *rig.run("b").jobs)
        rig.end(rig.runner("b"))
        assert rig.status(other) == ["done"]
    assert len(rig.runners) == 3, "b was loaded once more, and stayed"


def test_the_jobs_of_a_model_that_was_taken_out_of_models_yaml_fail_and_the_engine_goes_on(rig):
    gone = Job(id=str(uuid.uuid4()), model_type="toy", model="old", last_heartbeat=rig.clock())
    rig.store.submit([gone], max_queued=9)
    rig.loaded("a")
    there = rig.submit()
    rig.step()
    assert rig.job(gone.id).error["code"] == "unknown_model"
    assert rig.status(there) == ["running"]


def test_a_job_whose_task_the_backend_no_longer_has_fails_and_the_engine_goes_on(rig):
    gone = Job(
        id=str(uuid.uuid4()),
        model_type="toy",
        model="a",
        payload={"task": "hum"},
        last_heartbeat=rig.clock(),
    )
    rig.store.submit([gone], max_queued=9)
    runner = rig.loaded("a")
    rig.step()
    there = rig.submit()
    rig.step()
    assert rig.job(gone.id).error["code"] == "invalid_request"
    assert "synthesize" in rig.job(gone.id).error["message"]
    assert rig.status(there) == ["running"]
    assert runner.orders == ["run"]


def test_a_model_that_cannot_be_loaded_fails_its_jobs_once_the_disk_has_room_again(rig, monkeypatch):
    job_id = rig.submit()
    rig.step()
    full = [StorageFailed("the disk is full")]
    fail_queued = rig.store.fail_queued

    def fail_later(*arguments):
        if full:
            raise full.pop()
        return fail_queued(*arguments)

    monkeypatch.setattr(rig.store, "fail_queued", fail_later)
    monkeypatch.setattr("servers.engine.inbox.TICK_S", 0)
    rig.say(rig.runner(), "failed", error=BackendFailed("no weights").to_dict())
    rig.step()
    assert (full, rig.status(job_id)) == ([], ["failed"])


def test_an_evicted_runner_that_says_it_is_ready_is_not_believed(make_rig):
    rig = make_rig(max_models=1)
    rig.submit(model="a")
    rig.step()
    loading = rig.runner("a")
    rig.loop._fleet.unload(("toy", "a"))
    rig.ready(loading)
    assert rig.phase("a") is Phase.LEAVING


def test_a_held_model_is_not_unloaded_by_hand_until_its_hold_ends(make_rig):
    rig = make_rig()
    rig.loaded("a")
    rig.fleet.hold(("toy", "a"), 30)
    rig.fleet.hold(("toy", "a"), 5)
    for after_s, phase in ((29.9, Phase.READY), (0.1, Phase.LEAVING)):
        rig.step(after_s)
        rig.fleet.unload(("toy", "a"))
        assert rig.phase("a") is phase


def test_a_hold_of_a_model_that_is_not_loaded_counts_from_when_it_is_asked_for(make_rig):
    rig = make_rig(keep_alive_s=10)
    rig.fleet.hold(("toy", "a"), 30)
    rig.fleet.unload(("toy", "a"))
    rig.loaded("a")
    rig.step(29.9)
    assert rig.phase("a") is Phase.READY
    rig.step(0.1)
    assert rig.phase("a") is Phase.LEAVING


def test_a_pinned_model_whose_runner_dies_is_loaded_again(make_rig):
    rig = make_rig({"a": {"pin": True}})
    rig.step()
    runner = rig.ready(rig.runner())
    runner.is_killed = True
    rig.say(runner, "gone")
    assert rig.phase() is Phase.LOADING


# long jobs


def test_a_long_job_waits_at_a_step_for_a_short_one_and_goes_on_after_it(rig):
    long, short = rig.loaded("b"), rig.loaded("a")
    training = rig.train(model="b")
    rig.step()
    speech = rig.submit(model="a")
    rig.step()
    assert (long.orders, short.orders) == (["run", "pause"], [])
    rig.say(long, "paused", run=rig.run("b").number)
    assert (rig.phase("b"), short.orders) == (Phase.PAUSED, ["run"])
    rig.finish(short, 0)
    rig.end(short)
    assert (rig.phase("b"), long.orders) == (Phase.RUNNING, ["run", "pause", "resume"])
    assert rig.status(training, speech) == ["running", "done"]


def test_a_long_job_is_saved_for_a_model_that_needs_its_place_and_no_attempt_is_lost(make_rig):
    rig = make_rig(max_models=1)
    training = rig.train(model="b")
    rig.step()
    long = rig.ready(rig.runner("b"))
    rig.submit(model="a")
    rig.step()
    assert long.orders == ["run", "save"]
    rig.say(long, "saved", run=rig.run("b").number, index=0)
    rig.end(long)
    assert (rig.status(training), rig.job(training).attempt) == (["queued"], 0)
    assert long.is_killed
    rig.say(long, "gone")
    assert rig.phase("a") is Phase.LOADING


def test_a_long_job_is_told_its_folder_which_goes_with_it(rig):
    runner = rig.loaded("b")
    training = rig.train(model="b")
    rig.step()
    folder = rig.saves.folder(training)
    assert runner.told[0][2][0]["resume_from"] == str(folder)
    rig.say(runner, "result", run=rig.run("b").number, index=0, result={})
    assert (rig.status(training), folder.exists()) == (["done"], False)


def test_a_long_job_whose_runner_dies_loses_no_attempt_if_it_has_saved_something(rig):
    runner = rig.loaded("b")
    training = rig.train(model="b")
    rig.step()
    rig.clock.now = 0.0  # before anything on this disk was written
    step = rig.saves.folder(training) / "step"
    step.touch()
    rig.store.requeue(rig.job(training), count_attempt=False)
    rig.run("b").jobs[0] = rig.store.claim([training], 0.0)[0]
    runner.is_killed = True
    rig.say(runner, "gone")
    assert rig.job(training).attempt == 0


@pytest.mark.parametrize(("model", "asked"), [("b", "save"), ("a", "pause")])
def test_a_long_job_that_does_not_come_to_a_step_is_ended(rig, model, asked):
    rig.loaded("a")
    long = rig.loaded("b")
    rig.train(model="b")
    rig.step()
    rig.submit(model=model)
    rig.step()
    assert long.orders == ["run", asked]
    rig.step(rig.limits.step_timeout_s - 1)
    assert not long.is_killed
    rig.step(2)
    assert long.is_killed


def test_a_job_that_takes_longer_than_it_may_fails_and_its_runner_is_replaced(rig):
    stuck = rig.loaded()
    job_id, other = (rig.submit(batch_key="", expires=False) for _ in range(2))
    rig.step()
    rig.step(LIMIT_S + 1)
    job = rig.job(job_id)
    assert (job.status, job.attempt, job.error["code"]) == ("failed", 1, "time_limit_exceeded")
    assert "1000 s" in job.error["message"]
    assert "limits.job_base_s" in job.error["message"]
    assert stuck.is_killed
    rig.say(stuck, "result", run=rig.run().number, index=0, result={"words": []})  # it is not heard any more
    rig.say(stuck, "gone")
    rig.ready(rig.runner())
    assert rig.status(job_id, other) == ["failed", "running"]


def test_of_a_batch_that_takes_longer_than_it_may_each_job_is_tried_alone_and_one_alone_fails(rig):
    stuck = rig.loaded()
    first, second = (rig.submit(expires=False) for _ in range(2))
    rig.step()
    rig.step(2 * LIMIT_S + 1)
    assert rig.status(first, second) == ["queued", "queued"]
    third = rig.submit(expires=False)
    rig.step()
    assert stuck.orders == ["run"]  # nothing joins a runner that is ended
    rig.say(stuck, "gone")
    again = rig.ready(rig.runner())
    assert rig.status(first, second, third) == ["running", "queued", "queued"]
    rig.step(LIMIT_S + 1)
    rig.say(again, "gone")
    assert rig.status(first) == ["failed"]
    rig.finish(rig.ready(rig.runner()), 0)
    assert (rig.status(second), rig.job(second).attempt) == (["done"], 2)
    (lost, _) = rig.store.attempts(second)
    assert (lost.outcome, lost.error["code"]) == ("lost", "time_limit_exceeded")


def test_a_job_that_never_ends_among_others_that_do_is_tried_alone_and_they_go_on(rig):
    runner = rig.loaded()
    endless = rig.submit(expires=False)
    rig.step()
    for index in range(1, 7):
        rig.submit()
        rig.step()
        rig.step(0.9 * LIMIT_S)
        if index < 6:
            rig.finish(runner, index)
    assert rig.status(endless) == ["queued"]
    assert (runner.orders[-1], runner.told[-1][2]) == ("cancel", 0)
    rig.finish(runner, 6)
    assert not runner.is_killed


def test_the_time_in_which_a_job_waits_for_its_model_does_not_count(make_rig):
    rig = make_rig(load_timeout_s=20 * LIMIT_S)
    job_id = rig.submit(expires=False)
    rig.step()
    rig.step(10 * LIMIT_S)
    runner = rig.ready(rig.runner())
    rig.step(LIMIT_S - 1)
    rig.finish(runner, 0)
    assert rig.status(job_id) == ["done"]


def test_a_long_job_has_no_time_limit(rig):
    long = rig.loaded()
    rig.train()
    rig.step()
    rig.step(1000 * LIMIT_S)
    assert not long.is_killed


def test_a_paused_job_has_all_the_time_there_is(rig):
    long, _ = rig.loaded("b"), rig.loaded("a")
    rig.train(model="b")
    rig.step()
    rig.submit(model="a")
    rig.step()
    rig.say(long, "paused", run=rig.run("b").number)
    rig.step(10 * rig.limits.step_timeout_s)
    assert not long.is_killed


def test_a_long_job_that_was_cancelled_has_the_grace_of_any_other(rig):
    long = rig.loaded("b")
    training = rig.train(model="b")
    rig.step()
    rig.loop.cancel(training)
    rig.step()
    rig.submit(model="b", priority=0)
    rig.step(rig.limits.cancel_grace_s + 1)
    assert (long.orders, long.is_killed) == (["run", "cancel"], True)


def test_a_long_job_whose_save_fails_keeps_what_it_had_saved_and_is_tried_again(rig):
    long = rig.loaded("b")
    training = rig.train(model="b")
    rig.step()
    saved = rig.saves.folder(training) / "step"
    saved.touch()
    rig.say(long, "broken", run=rig.run("b").number, error=BROKEN, taken=1)
    assert (rig.status(training), saved.exists()) == (["queued"], True)
    for _ in range(2):
        rig.end(long)
        rig.step()
        rig.say(long, "broken", run=rig.run("b").number, error=BROKEN, taken=1)
    assert (rig.status(training), saved.exists()) == (["failed"], False)


def test_a_long_job_that_saves_itself_unasked_has_failed(rig):
    long = rig.loaded("b")
    training = rig.train(model="b")
    rig.step()
    rig.say(long, "saved", run=rig.run("b").number, index=0)
    assert rig.job(training).error["message"] == "the model saved itself unasked"


def test_a_long_job_is_not_claimed_where_no_folder_can_be_made_for_it(rig, monkeypatch):
    rig.loaded("b")
    training = rig.train(model="b")
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(rig.saves, "folder", lambda _: (_ for _ in ()).throw(full))
    with pytest.raises(StorageFailed, match="the disk is full"):
        rig.step()
    assert rig.status(training) == ["queued"]


def test_a_long_job_that_dies_again_and_again_is_given_up_though_it_saves_something_each_time(
    rig, monkeypatch
):
    monkeypatch.setattr("servers.engine.runs.MOST_LOST", 5)
    training = rig.train(model="b")
    rig.clock.now = 0.0  # before anything on this disk was written
    for _ in range(20):
        rig.step()
        if rig.status(training) == ["failed"]:
            break
        runner = rig.ready(rig.runner("b"))
        (rig.saves.folder(training) / "step").touch()
        runner.is_killed = True
        rig.say(runner, "gone")
    assert rig.job(training).error["code"] == "runner_crashed"


def test_a_long_job_has_its_share_though_its_model_has_to_be_loaded_for_it_between_short_jobs(make_rig):
    rig = make_rig(max_models=1)
    training = rig.train(model="b", expires=False)
    trained_s, served, last = 0.0, 0, 0.0
    for second in range(3_000):
        if second % 5 == 0:
            rig.submit(model="a", batch_key="")
        rig.step(1.0)
        for runner in [each for each in rig.runners if each.is_killed]:
            if rig.fleet.of(runner) is not None:
                rig.say(runner, "gone")
        for name in "ab":
            if (
                rig.phase(name) is Phase.LOADING
                and rig.ticks() - rig.fleet.models["toy", name].started_at >= 10
            ):
                rig.ready(rig.runner(name))
        if rig.phase("b") is Phase.RUNNING:
            trained_s += 1
            long = rig.runner("b")
            if long.orders[-1] == "save":
                rig.say(long, "saved", run=rig.run("b").number, index=0)
                rig.end(long)
        while rig.phase("a") is Phase.RUNNING:
            served, last = served + 1, second
            rig.finish(rig.runner("a"), *rig.run("a").jobs)
            rig.end(rig.runner("a"))
    assert rig.status(training)[0] in ("queued", "running")
    assert 0.05 < trained_s / 3_000 < 0.2
    assert served > 500, f"{served}, the last at {last}"


def test_a_paused_job_can_be_cancelled(rig):
    long = rig.loaded("b")
    rig.loaded("a")
    training = rig.train(model="b")
    rig.step()
    rig.submit(model="a")
    rig.step()
    rig.say(long, "paused", run=rig.run("b").number)
    rig.loop.cancel(training)
    rig.step()
    assert rig.status(training) == ["cancelled"]
    assert long.orders[-1] == "cancel"


def test_while_short_jobs_keep_coming_a_long_one_has_its_share(rig):
    long, short = rig.loaded("b"), rig.loaded("a")
    rig.train(model="b")
    rig.step()
    share_s = total_s = 0.0
    for _ in range(400):
        while rig.waits() < 2:
            rig.submit(model="a", batch_key="")
        rig.step(0.5)
        total_s += 0.5
        if rig.phase("b") is Phase.RUNNING:
            share_s += 0.5
            if long.orders[-1] == "pause":
                rig.say(long, "paused", run=rig.run("b").number)
        if rig.phase("a") is Phase.RUNNING:
            rig.finish(short, *rig.run("a").jobs)
            rig.end(short)
    assert share_s / total_s == pytest.approx(0.1, abs=0.03)


# the end


def test_an_engine_that_stops_lets_running_jobs_end_and_begins_nothing(rig):
    runner = rig.loaded()
    running = rig.submit("a")
    rig.step()
    waiting = rig.submit("b", batch_key="")
    rig.loop.drain()
    rig.step()
    with pytest.raises(EngineUnavailable):
        rig.submit("c")
    assert not rig.news.closed
    rig.finish(runner, 0)
    rig.end(runner)
    assert (rig.status(running, waiting), rig.news.closed) == (["done", "queued"], True)
    assert runner.is_killed


def test_what_still_runs_when_the_time_is_up_goes_back_untried(rig):
    rig.loaded()
    job_id = rig.submit()
    rig.step()
    rig.loop.drain()
    rig.step()
    rig.step(rig.limits.drain_s + 1)
    assert (rig.status(job_id), rig.job(job_id).attempt, rig.news.closed) == (["queued"], 0, True)


def test_a_long_job_is_saved_when_the_engine_stops(rig):
    long = rig.loaded("b")
    training = rig.train(model="b")
    rig.step()
    rig.loop.drain()
    rig.step()
    assert long.orders == ["run", "save"]
    rig.say(long, "saved", run=rig.run("b").number, index=0)
    rig.end(long)
    assert (rig.status(training), rig.news.closed) == (["queued"], True)
