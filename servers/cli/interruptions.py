"""Ctrl-C, a termination and a closed terminal, for a process that has others to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN = (signal.SIGINT, signal.SIGTERM)
"""Those that end a stopping process at once: a terminal that closes on the way tells nothing new."""
Handler = Callable[[int, FrameType | None], object] | signal.Handlers


@contextmanager
def interruptible() -> Iterator[None]:
    """The first of them is a KeyboardInterrupt. More are ignored from then on: stopping must not be broken
    off halfway, and `told_again` is for whoever cannot wait.
    """

    def once(_number: int, _frame: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    with _handled(dict.fromkeys(SIGNALS, once)):
        yield


@contextmanager
def told_again() -> Iterator[Callable[[], bool]]:
    """Nothing is interrupted meanwhile; what it gives says whether somebody has asked again by now."""
    asked = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    with _handled(dict.fromkeys(SIGNALS, signal.SIG_IGN) | dict.fromkeys(AGAIN, note)):
        yield lambda: asked


@contextmanager
def _handled(handlers: dict[signal.Signals, Handler]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
