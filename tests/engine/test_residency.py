"""Which model leaves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from servers.engine.residency import Resident, evictions

residents = st.lists(
    st.builds(
        Resident,
        model=st.tuples(st.just("b"), st.text("abcdef", min_size=1, max_size=3)),
        busy=st.booleans(),
        used_at=st.floats(0, 100),
    ),
    unique_by=lambda r: r.model,
    max_size=6,
)


def resident(name: str, used_at: float, *, busy: bool = False) -> Resident:
    return Resident(("fake", name), busy, used_at)


def test_nothing_leaves_while_there_is_room():
    assert evictions([resident("a", 1)], max_models=2) == []


def test_the_least_recently_used_leaves_first():
    assert evictions([resident("a", 2), resident("b", 1)], max_models=2) == [("fake", "b")]


def test_a_busy_model_stays_and_the_next_one_leaves():
    assert evictions([resident("a", 2), resident("b", 1, busy=True)], max_models=2) == [("fake", "a")]


def test_when_all_are_busy_the_load_waits():
    assert evictions([resident("a", 1, busy=True)], max_models=1) is None


@given(residents, st.integers(1, 6))
def test_no_busy_model_leaves_and_the_target_always_fits(present, max_models):
    leaving = evictions(present, max_models)
    busy = {r.model for r in present if r.busy}
    if leaving is None:
        assert len(busy) >= max_models
    else:
        assert busy.isdisjoint(leaving)
        assert len(present) - len(leaving) + 1 <= max_models
