"""What to do next, case by case, as sentences: no process, no clock, no queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from servers.engine.actions import Action, End, Evict, Fail, Join, Load, Pause, Resume, Run, TimeOut
from servers.engine.background import RELOAD_SLICE_S, SLICE_S, Account
from servers.engine.models import ModelState, Phase
from servers.engine.plan import State, plan
from servers.engine.residency import Policy
from servers.engine.runs import Asked
from servers.jobs.store import Head
from servers.settings import Engine
from tests.engine.doubles import LIMIT_S, NOW, A, B, C, a_job, busy, head, model

DUE = Account(owed_s=RELOAD_SLICE_S)
IN_TURN = Account(owed_s=1.0)


def planned(models: Sequence[ModelState], *heads: Head, **fields: Any) -> list[Action]:
    policy = {name: fields.pop(name) for name in Policy.__dataclass_fields__ if name in fields}
    limits = {name: fields.pop(name) for name in Engine.model_fields if name in fields}
    state = State(
        models={each.key: each for each in models},
        policy=Policy(**{"max_models": 2} | policy),
        limits=Engine(**limits),
        **fields,
    )
    return plan(state, heads, NOW)


# running and loading


def test_with_nothing_queued_nothing_is_done():
    assert planned([model(), model(B, Phase.READY)]) == []


def test_a_job_whose_model_is_ready_is_run():
    assert planned([model(phase=Phase.READY)], head()) == [Run(head())]


def test_a_job_whose_model_is_not_there_has_it_loaded():
    assert planned([model()], head()) == [Load(A)]


def test_a_job_whose_model_is_loading_waits():
    assert planned([model(phase=Phase.LOADING)], head()) == []


def test_the_least_recently_used_model_leaves_and_nothing_is_loaded_before_it_is_gone():
    models = [model(A, Phase.READY, used_at=5), model(B, Phase.READY, used_at=4), model(C)]
    assert planned(models, head(C)) == [Evict(B)]
    models[1].phase = Phase.LEAVING
    assert planned(models, head(C)) == []
    models[1].phase = Phase.ABSENT
    assert planned(models, head(C)) == [Load(C)]


def test_a_model_that_jobs_wait_for_is_loaded_beside_a_busy_one_where_there_is_room():
    assert planned([busy(A), model(B)], head(B)) == [Load(B)]


def test_a_busy_model_does_not_leave_for_another():
    assert planned([busy(A), model(B)], head(B), max_models=1) == []


def test_a_young_model_stays_and_its_own_jobs_wait_with_the_one_that_needs_its_place():
    models = [model(A, Phase.READY, loaded_at=NOW - 1), model(B)]
    overdue = head(B, seq=1, waited_s=500)
    assert planned(models, head(A, seq=2), overdue, max_models=1, min_residency_s=5) == []


def test_while_a_model_loads_the_jobs_of_those_that_are_ready_go_on():
    models = [model(A, Phase.LOADING), model(B, Phase.READY)]
    urgent_enough = head(A, seq=1, priority=5)
    assert planned(models, urgent_enough, head(B, seq=2)) == [Run(head(B, seq=2))]


def test_while_the_model_of_an_urgent_job_loads_nothing_else_is_begun():
    models = [model(A, Phase.LOADING), model(B, Phase.READY)]
    assert planned(models, head(A, priority=0), head(B, seq=2)) == []


def test_a_job_goes_on_beside_the_load_that_another_one_begins():
    models = [model(A), model(B, Phase.READY)]
    waiting = head(B, seq=2)
    assert planned(models, head(A, seq=1, waited_s=500), waiting) == [Load(A), Run(waiting)]


def test_a_second_model_is_not_loaded_while_a_first_one_loads():
    assert planned([model(A, Phase.LOADING), model(B)], head(B), max_models=3) == []
    assert planned([model(A, Phase.LOADING), model(B)], head(B), max_models=3, max_parallel_loads=2) == [
        Load(B)
    ]


def test_while_one_model_computes_no_other_is_run():
    assert planned([busy(A), model(B, Phase.READY)], head(B)) == []


def test_models_compute_side_by_side_where_the_settings_say_so():
    models = [busy(A), model(B, Phase.READY), model(C, Phase.READY)]
    assert planned(models, head(B), head(C, seq=2), max_computing=2) == [Run(head(B))]
    assert planned(models, head(B), head(C, seq=2), max_computing=3) == [Run(head(B)), Run(head(C, seq=2))]


def test_a_model_has_one_run_at_a_time_however_many_may_compute():
    assert planned([busy(A, jobs=4)], head(A), max_computing=3) == []


def test_a_model_that_can_never_fit_fails_its_jobs_and_the_others_go_on():
    models = [model(A, vram_mb=9000), model(B, Phase.READY)]
    failed, ran = planned(models, head(A), head(B, seq=2), vram_mb=8000)
    assert isinstance(failed, Fail)
    assert failed.model == A
    assert "takes 9000 MB" in str(failed.error)
    assert ran == Run(head(B, seq=2))


def test_a_model_that_does_not_fit_beside_the_pinned_ones_fails_its_jobs():
    models = [model(A, vram_mb=4000), model(B, Phase.READY, pinned=True, vram_mb=5000)]
    (failed,) = planned(models, head(A), vram_mb=8000)
    assert isinstance(failed, Fail)


def test_the_budget_counts_what_was_planned_to_be_loaded_just_now():
    models = [model(A, vram_mb=5000), model(B, vram_mb=5000)]
    waiting = [head(A, seq=1), head(B, seq=2)]
    assert planned(models, *waiting, vram_mb=8000, max_parallel_loads=2) == [Load(A)]


# wanted, pinned, idle


def test_a_wanted_model_is_loaded_where_there_is_room_though_others_work():
    assert planned([busy(A), model(B, wanted=True)]) == [Load(B)]


def test_a_wanted_model_is_made_room_for_only_when_nobody_works_or_waits():
    crowd = [model(B, Phase.READY), model(C, Phase.READY, used_at=3), model(A, wanted=True)]
    assert planned(crowd) == [Evict(C)]
    assert planned([*crowd[:2], model(A, wanted=True)], head(B)) == [Run(head(B))]
    assert planned([busy(B), *crowd[1:]]) == []


def test_a_model_that_was_wanted_though_it_is_loaded_keeps_no_turn_from_the_next():
    crowd = [model(A, Phase.READY, used_at=3), model(B, Phase.READY), model(C)]
    for each in (crowd[0], crowd[2]):
        each.want()
    assert planned(crowd) == [Evict(A)]


def test_a_model_that_nobody_has_used_leaves_after_its_keep_alive():
    assert planned([model(A, Phase.READY, used_at=NOW - 400)], keep_alive_s=300) == [Evict(A)]
    assert planned([model(A, Phase.READY, used_at=NOW - 200)], keep_alive_s=300) == []


def test_an_idle_model_stays_while_a_job_waits_for_it():
    models = [model(A, Phase.READY, used_at=NOW - 400), busy(B)]
    assert planned(models, head(A), keep_alive_s=300) == []


def test_a_job_waits_for_a_held_model_to_be_let_go():
    held = model(A, Phase.READY, held_until=NOW + 1)
    assert planned([held, model(B)], head(B), max_models=1) == []
    held.held_until = NOW
    assert planned([held, model(B)], head(B), max_models=1) == [Evict(A)]


def test_a_pinned_model_never_leaves():
    pinned = model(A, Phase.READY, used_at=0, pinned=True)
    assert planned([pinned, model(B)], head(B), max_models=2, keep_alive_s=1) == [Load(B)]
    assert planned([pinned], keep_alive_s=1) == []


# runners at fault


def test_a_silent_runner_is_ended():
    assert planned([model(A, Phase.READY, heard_at=NOW - 31)], lease_s=30) == [End(A, "silent")]
    assert planned([busy(A, heard_at=NOW - 31)], lease_s=30) == [End(A, "silent")]


def test_a_runner_may_be_silent_while_it_loads_but_not_for_ever():
    loading = model(A, Phase.LOADING, heard_at=0, started_at=NOW - 200)
    assert planned([loading], load_timeout_s=300) == []
    assert planned([loading], load_timeout_s=100) == [End(A, "load_timeout")]


def test_a_runner_that_does_not_let_go_is_ended():
    assert planned([busy(A, give_up_at=NOW - 1)]) == [End(A, "not_cancelled")]
    assert planned([busy(A, give_up_at=NOW + 1)]) == []


def test_a_job_that_takes_longer_than_it_may_has_its_runner_ended_though_that_beats_on():
    assert planned([busy(A, joined_at=NOW - LIMIT_S + 1)]) == []
    assert planned([busy(A, joined_at=NOW - LIMIT_S - 1)], head(A)) == [TimeOut(A)]


def test_a_batch_has_the_time_of_all_its_jobs():
    assert planned([busy(A, jobs=3, joined_at=NOW - 3 * LIMIT_S + 1)]) == []
    assert planned([busy(A, jobs=3, joined_at=NOW - 3 * LIMIT_S - 1)]) == [TimeOut(A)]


def test_a_job_that_never_ends_is_called_off_though_others_of_its_run_come_and_go():
    running = busy(A, joined_at=NOW - 5 * LIMIT_S - 1)
    running.run.time_left.begin({1: a_job(time_limit_s=LIMIT_S)}, 4, NOW)
    assert planned([running]) == [TimeOut(A, 0)]


def test_a_job_of_a_runner_that_is_ended_anyway_is_not_timed_out():
    assert planned([busy(A, heard_at=0, joined_at=0)]) == [End(A, "silent")]


def test_nothing_is_given_to_a_runner_that_is_ended():
    assert planned([model(A, Phase.READY, heard_at=0)], head(A)) == [End(A, "silent")]
    assert planned([busy(A, heard_at=0)], head(A)) == [End(A, "silent")]


def test_all_others_leave_for_a_model_that_ran_out_of_memory_and_it_waits_until_they_are_gone():
    models = [model(A, Phase.READY, cramped=True), model(B, Phase.READY), model(C, Phase.READY, pinned=True)]
    assert planned(models, head(A), max_models=3) == [Evict(B)]
    models[1].phase = Phase.LEAVING
    assert planned(models, head(A), max_models=3) == []
    models[1].phase = Phase.ABSENT
    assert planned(models, head(A), max_models=3) == [Run(head(A))]


def test_a_held_model_stays_for_one_that_ran_out_of_memory():
    models = [model(A, Phase.READY, cramped=True), model(B, Phase.READY, held_until=NOW + 1)]
    assert planned(models, head(A), max_models=3) == [Run(head(A))]


def test_nothing_leaves_for_a_model_that_ran_out_of_memory_while_no_job_waits_for_it():
    models = [model(A, Phase.READY, cramped=True), model(B, Phase.READY)]
    assert planned(models) == []
    assert planned(models, head(B)) == [Run(head(B))]


def test_a_model_that_ran_out_of_memory_while_it_loaded_is_loaded_alone():
    models = [model(A, cramped=True), model(B, Phase.READY)]
    assert planned(models, head(A), max_models=3) == [Evict(B)]
    assert planned([models[0]], head(A), max_models=3) == [Load(A)]


def test_while_the_engine_drains_nothing_is_begun_and_what_is_preemptible_is_saved():
    models = [model(A, Phase.READY), busy(B, preemptible=True), model(C, wanted=True)]
    assert planned(models, head(A), draining=True) == [Pause(B, save=True)]
    models[1].run.asked = Asked.SAVE
    assert planned(models, head(A), draining=True) == []


# joining


def test_a_job_joins_what_its_model_computes():
    assert planned([busy(A)], head(A)) == [Join(head(A), room=3)]


@pytest.mark.parametrize(
    "other",
    [
        {"batch_key": None},
        {"batch_key": "synthesize//of its own"},
        {"attempt": 1},
    ],
    ids=["it is to be alone", "its batch is another", "it was tried already"],
)
def test_a_job_does_not_join_what_is_not_its_like(other):
    assert planned([busy(A)], head(A, **other)) == []


def test_where_less_than_a_quarter_of_the_batch_is_free_all_that_wait_join_or_none():
    assert planned([busy(A, jobs=7, max_batch=8)], head(A)) == [Join(head(A), room=1, if_all=True)]
    assert planned([busy(A, jobs=6, max_batch=8)], head(A)) == [Join(head(A), room=2)]


def test_where_none_joined_for_a_second_one_joins_alone_and_an_urgent_one_at_once():
    quiet = busy(A, jobs=7, max_batch=8, joined_at=NOW - 1.5)
    assert planned([quiet], head(A)) == [Join(head(A), room=1)]
    urgent = head(A, priority=0, waited_s=0.0)
    assert planned([busy(A, jobs=7, max_batch=8)], urgent) == [Join(urgent, room=1)]


def test_nothing_joins_a_full_batch():
    assert planned([busy(A, jobs=4)], head(A)) == []


def test_nothing_joins_a_run_that_takes_no_arrivals():
    assert planned([busy(A, takes_arrivals=False)], head(A)) == []


def test_nothing_joins_a_run_that_is_being_stopped():
    assert planned([busy(A, give_up_at=NOW + 5)], head(A)) == []


def test_nothing_joins_where_the_settings_say_so():
    assert planned([busy(A)], head(A), joins=False) == []


def test_nothing_joins_while_an_urgent_job_of_another_model_is_next():
    models = [busy(A), model(B, Phase.READY)]
    assert planned(models, head(A, seq=1), head(B, seq=2, priority=0)) == []


def test_nothing_joins_while_an_overdue_job_of_another_model_is_next():
    models = [busy(A), model(B, Phase.READY)]
    assert planned(models, head(A, seq=2), head(B, seq=1, waited_s=61), max_wait_s=60) == []


def test_jobs_join_while_an_ordinary_one_of_another_model_waits():
    models = [busy(A), model(B, Phase.READY)]
    assert planned(models, head(A, seq=2), head(B, seq=1, waited_s=30)) == [Join(head(A, seq=2), 3)]


def test_an_urgent_job_joins_what_its_own_model_computes():
    urgent = head(A, seq=5, priority=0)
    assert planned([busy(A)], head(A, seq=1, application_id="x"), urgent) == [Join(urgent, 3)]


def test_nothing_joins_while_an_urgent_job_that_has_to_be_alone_is_next():
    assert planned([busy(A)], head(A, seq=1), head(A, seq=2, priority=0, batch_key=None)) == []


def test_jobs_join_beside_an_urgent_one_that_another_slot_takes():
    models = [busy(A), model(B, Phase.READY)]
    urgent = head(B, seq=2, priority=0)
    assert planned(models, head(A), urgent, max_computing=2) == [Run(urgent), Join(head(A), 3)]


def test_nothing_joins_while_the_background_is_due():
    models = [busy(A), busy(B, phase=Phase.PAUSED, preemptible=True, asked=Asked.PAUSE)]
    assert planned(models, head(A), account=DUE) == []
    assert planned(models, head(A), account=IN_TURN) == [Join(head(A), 3)]


# long jobs beside short ones


def training(key=B, phase: Phase = Phase.RUNNING, asked: Asked = Asked.GO_ON, **fields: Any) -> ModelState:
    return busy(key, phase=phase, preemptible=True, takes_arrivals=False, asked=asked, **fields)


def long(key=B, **fields: Any) -> Head:
    return head(key, **{"preemptible": True, "batch_key": None} | fields)


def test_a_long_job_is_paused_for_a_job_whose_model_is_ready():
    assert planned([model(A, Phase.READY), training(B)], head(A)) == [Pause(B, save=False)]


def test_it_is_told_so_once():
    assert planned([model(A, Phase.READY), training(B, asked=Asked.PAUSE)], head(A)) == []


def test_the_job_is_run_once_the_long_one_waits():
    models = [model(A, Phase.READY), training(B, Phase.PAUSED, Asked.PAUSE)]
    assert planned(models, head(A)) == [Run(head(A))]


def test_a_long_job_goes_on_while_the_others_model_is_loaded_beside_it():
    assert planned([model(A), training(B)], head(A)) == [Load(A)]
    assert planned([model(A, Phase.LOADING), training(B)], head(A)) == []


def test_a_long_job_is_saved_for_a_job_of_its_own_model():
    assert planned([training(B)], head(B)) == [Pause(B, save=True)]


def test_a_long_job_is_saved_where_the_others_model_does_not_fit_beside_it():
    assert planned([model(A), training(B)], head(A), max_models=1) == [Pause(B, save=True)]
    models = [model(A, vram_mb=5000), training(B, vram_mb=5000)]
    assert planned(models, head(A), vram_mb=8000) == [Pause(B, save=True)]


def test_a_paused_job_is_saved_once_its_memory_is_needed():
    models = [model(A), training(B, Phase.PAUSED, Asked.PAUSE), model(C, Phase.READY)]
    assert planned(models, head(A), max_models=2) == [Resume(B), Evict(C)]
    models[2].phase = Phase.ABSENT
    assert planned(models, head(A), max_models=1) == [Pause(B, save=True)]


def test_an_urgent_job_interrupts_a_long_one_though_that_has_its_turn():
    urgent = head(A, priority=0)
    models = [model(A, Phase.READY), training(B)]
    assert planned(models, urgent, account=IN_TURN) == [Pause(B, save=False)]
    assert planned(models, head(A), account=IN_TURN) == []


def test_a_paused_job_goes_on_once_nothing_waits():
    assert planned([training(B, Phase.PAUSED, Asked.PAUSE)]) == [Resume(B)]
    assert planned([busy(A), training(B, Phase.PAUSED, Asked.PAUSE)]) == []


def test_a_paused_job_goes_on_while_the_model_of_the_one_that_waits_is_loading():
    models = [model(A, Phase.LOADING), training(B, Phase.PAUSED, Asked.PAUSE)]
    assert planned(models, head(A)) == [Resume(B)]


def test_a_long_job_waits_for_a_job_that_could_be_run_though_another_one_is_next():
    models = [model(A, Phase.READY), training(B), model(C, Phase.LOADING)]
    waiting = [head(C, seq=1, priority=5), head(A, seq=2)]
    assert planned(models, *waiting, max_models=3) == [Pause(B, save=False)]


def test_a_long_job_that_was_cancelled_is_told_nothing_more():
    cancelled = training(B, jobs=0, give_up_at=NOW + 5)
    assert planned([cancelled], head(B)) == []
    assert planned([cancelled], draining=True) == []


def test_a_long_job_is_saved_for_a_model_that_ran_out_of_memory_beside_it():
    models = [model(A, cramped=True), training(B, Phase.PAUSED, Asked.PAUSE)]
    assert planned(models, head(A)) == [Pause(B, save=True)]
    models[1].run.asked = Asked.SAVE
    assert planned(models, head(A)) == []


def test_a_ready_model_that_ran_out_of_memory_waits_until_the_long_job_beside_it_is_saved():
    models = [model(A, Phase.READY, cramped=True), training(B, Phase.PAUSED, Asked.SAVE)]
    assert planned(models, head(A)) == []
    assert planned([*models, model(C, Phase.READY)], head(A), head(C, seq=2)) == [Run(head(C, seq=2))]


def test_no_model_that_was_used_a_while_ago_leaves_for_a_long_job_that_is_owed_nothing():
    models = [model(A, Phase.READY, used_at=NOW - RELOAD_SLICE_S + 1), model(B)]
    assert planned(models, long(B), max_models=1) == []
    models[0].used_at -= 2
    assert planned(models, long(B), max_models=1) == [Evict(A)]
    models[0].used_at = NOW
    assert planned(models, long(B), max_models=1, account=DUE) == [Evict(A)]
    assert planned(models, long(B), max_models=2) == [Load(B)]


def test_a_paused_job_goes_on_once_its_turn_has_come_though_others_wait():
    models = [model(A, Phase.READY), training(B, Phase.PAUSED, Asked.PAUSE)]
    assert planned(models, head(A), account=Account(owed_s=SLICE_S)) == [Resume(B)]
    urgent = head(A, priority=0)
    assert planned(models, urgent, account=DUE) == [Run(urgent)]


def test_a_long_job_that_is_queued_waits_for_the_short_ones():
    models = [model(A, Phase.READY), model(B, Phase.READY)]
    assert planned(models, head(A, seq=2), long(B, seq=1)) == [Run(head(A, seq=2))]
    assert planned(models, long(B)) == [Run(long(B))]
    assert planned([busy(A, jobs=4), model(B, Phase.READY)], long(B)) == []


def test_a_long_job_that_is_queued_has_its_turn_once_enough_is_owed_to_load_its_model():
    models = [model(A, Phase.READY), model(B)]
    waiting = [head(A, seq=2), long(B, seq=1)]
    owed = Account(owed_s=SLICE_S)
    assert planned(models, *waiting, max_models=1, account=owed) == [Run(head(A, seq=2))]
    assert planned(models, *waiting, max_models=1, account=DUE) == [Evict(A)]
    models[1].phase = Phase.READY
    assert planned(models, *waiting, account=owed) == [Run(long(B, seq=1))]


def test_there_is_one_long_job_at_a_time():
    models = [training(B), model(C, Phase.READY)]
    assert planned(models, long(C), max_computing=2) == []
