"""The first Ctrl-C is an interruption, the next is heard where somebody listens for it."""

from __future__ import annotations

import os
import signal

import pytest

from servers.cli.interruptions import AGAIN, SIGNALS, interruptible, told_again


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_interrupts_and_none_breaks_off_what_follows(number):
    before = handlers()
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        for each in SIGNALS:
            os.kill(os.getpid(), each)
    assert handlers() == before


@pytest.mark.parametrize("number", SIGNALS)
def test_one_more_is_told_to_whoever_stops(number):
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with told_again() as is_told_again:
            assert not is_told_again()
            os.kill(os.getpid(), number)
            assert is_told_again() == (number in AGAIN)
