"""How much of the time a preemptible job gets while others are served."""

from __future__ import annotations

import pytest

from servers.engine.background import RELOAD_SLICE_S, SLICE_S, Account


def waited(account: Account, seconds: float) -> Account:
    return account.after(seconds, waits=True, runs=False, alone=False)


def ran(account: Account, seconds: float, *, alone: bool = False) -> Account:
    return account.after(seconds, waits=True, runs=True, alone=alone)


def test_while_it_waits_its_share_is_owed():
    account = waited(Account(0.1), 10)
    assert account.owed_s == pytest.approx(1.0)
    assert not account.is_due(resident=True)
    assert waited(account, 10).is_due(resident=True)


def test_its_own_time_uses_up_what_is_owed():
    account = ran(Account(0.1, owed_s=1.8), 2)
    assert account.owed_s == pytest.approx(0.0)
    assert account.is_used_up


def test_a_moment_alone_settles_no_more_than_it_lasts():
    assert ran(Account(0.1, owed_s=1.5), 0.5, alone=True).owed_s == pytest.approx(1.0)
    assert ran(Account(0.1, owed_s=1.5), 60, alone=True).owed_s == 0.0


def test_what_it_has_while_nobody_else_is_there_is_not_held_against_it():
    assert ran(Account(0.1), 3_600, alone=True) == Account(0.1)
    assert ran(Account(0.1, owed_s=-1.0), 3_600, alone=True).owed_s == -1.0


def test_with_nothing_in_the_background_nothing_is_owed():
    assert Account(0.1, owed_s=9).after(1, waits=False, runs=False, alone=False) == Account(0.1)


def test_a_model_that_has_to_be_loaded_waits_for_a_longer_turn():
    account = Account(0.1, owed_s=SLICE_S)
    assert account.is_due(resident=True)
    assert not account.is_due(resident=False)
    assert Account(0.1, owed_s=RELOAD_SLICE_S).is_due(resident=False)


def test_what_is_owed_does_not_grow_without_end():
    assert waited(Account(0.5), 1e6).owed_s == RELOAD_SLICE_S
    assert ran(Account(0.5), 1e6).owed_s == -SLICE_S


def test_a_share_of_nothing_is_never_due():
    assert not Account(0.0, owed_s=RELOAD_SLICE_S).is_due(resident=True)


def test_over_a_long_time_the_share_is_kept():
    account, background_s, running = Account(0.1), 0.0, False
    for _ in range(100_000):
        account = (ran if running else waited)(account, 0.1)
        background_s += 0.1 * running
        running = not account.is_used_up if running else account.is_due(resident=True)
    assert background_s / 10_000 == pytest.approx(0.1, rel=0.02)
