"""Which models are resident, and which leave."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from servers.engine.residency import (
    Policy,
    Resident,
    can_ever_fit,
    evictions,
    held_until,
    idle,
    others,
    wanted_at_start,
)
from servers.speech import ModelSpec

NOW = 1000.0
A, B, C = ("fake", "a"), ("fake", "b"), ("fake", "c")
policies = st.builds(
    Policy,
    max_models=st.integers(1, 5),
    vram_mb=st.none() | st.integers(0, 40_000),
    keep_alive_s=st.sampled_from([0.0, 10.0, 300.0]),
    min_residency_s=st.sampled_from([0.0, 5.0, 120.0]),
    max_parallel_loads=st.integers(1, 2),
)
crowds = st.lists(
    st.builds(
        Resident,
        model=st.tuples(st.just("fake"), st.text("abcdef", min_size=1, max_size=3)),
        vram_mb=st.integers(0, 20_000),
        busy=st.booleans(),
        loading=st.booleans(),
        pinned=st.booleans(),
        held_until=st.floats(0, 2 * NOW),
        loaded_at=st.floats(0, NOW),
        used_at=st.floats(0, NOW),
    ),
    unique_by=lambda resident: resident.model,
    max_size=6,
)


def test_nothing_leaves_while_there_is_room():
    assert evictions(0, [Resident(A)], Policy(max_models=2), NOW) == []


def test_the_least_recently_used_leaves_first():
    crowd = [Resident(A, used_at=2), Resident(B, used_at=1)]
    assert evictions(0, crowd, Policy(max_models=2), NOW) == [B]


def test_one_that_is_idle_past_its_keep_alive_leaves_before_one_that_is_not():
    crowd = [Resident(A, used_at=NOW - 5), Resident(B, used_at=NOW - 400)]
    assert evictions(0, crowd, Policy(max_models=2, keep_alive_s=300), NOW) == [B]


def test_busy_pinned_held_and_young_models_stay():
    kept = [
        Resident(A, busy=True),
        Resident(B, pinned=True),
        Resident(B, held_until=NOW + 0.1),
        Resident(C, loaded_at=NOW - 1),
    ]
    policy = Policy(max_models=1, min_residency_s=5)
    for resident in kept:
        assert evictions(0, [resident], policy, NOW) is None
        assert idle([resident], replace(policy, keep_alive_s=1), NOW) == []


def test_a_model_may_leave_from_when_its_hold_ends():
    held = Resident(A, held_until=NOW)
    for now, leaving in ((NOW - 0.1, []), (NOW, [A])):
        assert idle([held], Policy(keep_alive_s=1), now) == leaving
        assert others(B, [held], now) == leaving
        assert (evictions(0, [held], Policy(max_models=1), now) or []) == leaving


def test_a_held_model_never_makes_a_job_fail_that_needs_its_place():
    assert can_ever_fit(0, [Resident(A, held_until=NOW + 5)], Policy(max_models=1))


def test_a_hold_is_prolonged_and_never_shortened():
    assert held_until(0.0, 30, NOW) == NOW + 30
    assert held_until(NOW + 30, 60, NOW) == NOW + 60
    assert held_until(NOW + 30, 5, NOW) == NOW + 30


def test_as_many_leave_as_the_memory_takes():
    crowd = [Resident(A, 4000, used_at=1), Resident(B, 4000, used_at=2), Resident(C, 4000, used_at=3)]
    assert evictions(7000, crowd, Policy(max_models=9, vram_mb=16_000), NOW) == [A]
    assert evictions(9000, crowd, Policy(max_models=9, vram_mb=16_000), NOW) == [A, B]


def test_a_second_load_waits_for_the_first():
    crowd = [Resident(A, loading=True)]
    assert evictions(0, crowd, Policy(max_models=4), NOW) is None
    assert evictions(0, crowd, Policy(max_models=4, max_parallel_loads=2), NOW) == []


def test_a_model_larger_than_the_device_never_fits():
    assert not can_ever_fit(17_000, [], Policy(vram_mb=16_000))
    assert not can_ever_fit(9_000, [Resident(A, 8_000, pinned=True)], Policy(max_models=2, vram_mb=16_000))
    assert can_ever_fit(9_000, [Resident(A, 8_000)], Policy(vram_mb=16_000))


def test_a_keep_alive_of_0_is_for_ever():
    assert idle([Resident(A, used_at=0)], Policy(keep_alive_s=0), NOW) == []
    assert idle([Resident(A, used_at=0)], Policy(keep_alive_s=300), NOW) == [A]


@given(st.integers(0, 20_000), crowds, policies)
def test_no_busy_pinned_held_or_young_model_leaves_and_the_budget_is_never_exceeded(vram_mb, crowd, policy):
    leaving = evictions(vram_mb, crowd, policy, NOW)
    unmovable = {
        r.model
        for r in crowd
        if r.busy or r.loading or r.pinned or r.held_until > NOW or NOW - r.loaded_at < policy.min_residency_s
    }
    assert unmovable.isdisjoint(leaving or [])
    assert unmovable.isdisjoint(idle(crowd, policy, NOW))
    if leaving is not None:
        staying = [r for r in crowd if r.model not in leaving]
        assert len(staying) + 1 <= policy.max_models
        assert policy.vram_mb is None or sum(r.vram_mb for r in staying) + vram_mb <= policy.vram_mb


@given(st.integers(0, 20_000), crowds, policies)
def test_no_model_leaves_that_need_not(vram_mb, crowd, policy):
    leaving = evictions(vram_mb, crowd, policy, NOW)
    if leaving:
        but_one = [r for r in crowd if r.model not in leaving[:-1]]
        assert evictions(vram_mb, but_one, policy, NOW) == leaving[-1:]


@given(st.integers(0, 20_000), crowds, policies)
def test_whoever_waits_gets_in_once_the_others_are_free(vram_mb, crowd, policy):
    free = [replace(r, busy=False, loading=False, held_until=0.0, loaded_at=-1e9) for r in crowd]
    assert (evictions(vram_mb, free, policy, NOW) is not None) == can_ever_fit(vram_mb, free, policy)


def specs(**vram_mb: int) -> list[ModelSpec]:
    return [ModelSpec(backend="fake", name=name, vram_mb=mb) for name, mb in vram_mb.items()]


def test_only_those_that_say_so_are_loaded_at_the_start():
    pinned = ModelSpec(backend="fake", name="p", pin=True)
    preloaded = ModelSpec(backend="fake", name="l", preload=True)
    models = [*specs(a=0), pinned, preloaded]
    assert wanted_at_start(models, Policy(max_models=1), everything=False) == {pinned.key, preloaded.key}


def test_everything_is_loaded_at_the_start_as_far_as_it_fits_beside_those_that_say_so():
    pinned = ModelSpec(backend="fake", name="p", pin=True, vram_mb=4)
    models = [*specs(a=6, b=7, c=1), pinned]
    within = Policy(max_models=4, vram_mb=12)
    assert wanted_at_start(models, within, everything=True) == {pinned.key, A, C}
    assert wanted_at_start(models, Policy(max_models=2), everything=True) == {pinned.key, A}
