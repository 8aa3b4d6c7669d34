"""How much of the time a preemptible job gets while others wait."""

from __future__ import annotations

import pytest

from servers.engine.background import RELOAD_SLICE_S, SLICE_S, Account


def test_while_others_are_served_the_share_is_owed():
    account = Account(0.1).after(10, contended=True, running=False)
    assert account.owed_s == pytest.approx(1.0)
    assert not account.is_due(resident=True)
    assert account.after(10, contended=True, running=False).is_due(resident=True)


def test_its_own_time_uses_up_what_is_owed():
    account = Account(0.1, owed_s=1.8).after(2, contended=True, running=True)
    assert account.owed_s == pytest.approx(0.0)
    assert account.is_used_up


def test_without_others_nothing_is_owed():
    assert Account(0.1, owed_s=9).after(1, contended=False, running=True) == Account(0.1)


def test_a_model_that_has_to_be_loaded_waits_for_a_longer_turn():
    account = Account(0.1, owed_s=SLICE_S)
    assert account.is_due(resident=True)
    assert not account.is_due(resident=False)
    assert Account(0.1, owed_s=RELOAD_SLICE_S).is_due(resident=False)


def test_what_is_owed_does_not_grow_without_end():
    assert Account(0.5).after(1e6, contended=True, running=False).owed_s == RELOAD_SLICE_S
    assert Account(0.5).after(1e6, contended=True, running=True).owed_s == -SLICE_S


def test_a_share_of_nothing_is_never_due():
    assert not Account(0.0, owed_s=RELOAD_SLICE_S).is_due(resident=True)


def test_over_a_long_time_the_share_is_kept():
    account, background_s, running = Account(0.1), 0.0, False
    for _ in range(100_000):
        account = account.after(0.1, contended=True, running=running)
        background_s += 0.1 * running
        running = not account.is_used_up if running else account.is_due(resident=True)
    assert background_s / 10_000 == pytest.approx(0.1, rel=0.02)
