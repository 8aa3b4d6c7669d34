"""A look at the upstreams: what each is asked, all at the same time, and what its answer means.

A look ends in time whatever they do: who has not answered by then is silent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from servers.errors import (
    DeadlineExceeded,
    SkylarkError,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamUnreachable,
)
from servers.proxy.answers import Answers, Fault, Health, Jobs, Models, Queue
from servers.proxy.calls import Answer
from servers.proxy.upstream import Upstream, Upstreams

ASK_S = 4.0
MACHINE_OFF = "machine_off"
"""The code of what stands before a machine that is off."""
T = TypeVar("T")


class Looks:
    """Called by one thread, for one look after the other."""

    def __init__(self, upstreams: Upstreams, within_s: float) -> None:
        """A look takes `within_s` at most."""
        self._upstreams, self._within_s = upstreams, within_s
        self._asked: dict[str, Future[Any]] = {}
        """The last question to each. No other is asked until it has ended: a name that cannot be looked up,
        for one, keeps a thread for as long as the system likes.
        """

    def __call__(self) -> Answers:
        """Raises nothing that an upstream could cause."""
        all_of_them = self._upstreams
        self._ask("tts", lambda: _health(all_of_them.tts))
        self._ask("whisperx", lambda: _health(all_of_them.whisperx))
        self._ask("machine", lambda: _machine(all_of_them.machine))
        self._ask("queue", lambda: _queue(all_of_them.jobs))
        self._ask("key", lambda: _key(all_of_them))
        ends_at = time.monotonic() + self._within_s
        return Answers(**{name: _by(ends_at, asked) for name, asked in self._asked.items()})

    def _ask(self, name: str, question: Callable[[], object]) -> None:
        if name not in self._asked or self._asked[name].done():
            self._asked[name] = _in_a_thread(question)


def _in_a_thread(question: Callable[[], object]) -> Future[Any]:
    """No pool's: the process does not wait for it at its end."""
    asked: Future[Any] = Future()

    def ask() -> None:
        try:
            asked.set_result(question())
        except BaseException as error:  # noqa: BLE001  # a defect, which is the look's to raise
            asked.set_exception(error)

    threading.Thread(target=ask, name="look", daemon=True).start()
    return asked


def _by(ends_at: float, asked: Future[Any]) -> Any:
    try:
        return asked.result(max(0.0, ends_at - time.monotonic()))
    except TimeoutError:
        return Fault.SILENT


def reply_of(answer: Answer) -> dict[str, Any]:
    """What it answered. Raises the upstream's own error, and UpstreamFailed where that is none of ours."""
    found = answer.json()
    if answer.status < 400:
        return found
    if answer.error is None:
        raise answer.not_ours()
    raise SkylarkError.from_dict(answer.error)


def _health(door: Upstream) -> Health | Fault:
    return _told(door, "/health", Health.model_validate)


def _key(upstreams: Upstreams) -> Fault | None:
    """Whether the key is taken, where only the doors are there to ask: /health needs none."""
    if upstreams.machine is not None:
        return None
    found = _told(upstreams.tts, "/v1/models", lambda models: models)
    return Fault.REFUSED if found is Fault.REFUSED else None


def _machine(machine: Upstream | None) -> dict[str, Any] | Fault | None:
    return None if machine is None else _told(machine, "", _status_of_machine)


def _status_of_machine(answer: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(answer.get("state"), str):
        raise ValueError("it is no status of a machine")
    return answer


def _queue(jobs: Upstream | None) -> Queue | Fault | None:
    if jobs is None:
        return None
    queue = _told(jobs, "/queue", Jobs.model_validate)
    if isinstance(queue, Fault):
        return queue
    models = _told(jobs, "/models", Models.model_validate)
    return models if isinstance(models, Fault) else Queue(queue, models)


def _told(whom: Upstream, path: str, read: Callable[[dict[str, Any]], T]) -> T | Fault:
    try:
        answer = whom.request("GET", path, timeout_s=ASK_S)
        return fault_of(answer) or read(answer.json())
    except UpstreamRefused:
        return Fault.REFUSED
    except (UpstreamUnreachable, DeadlineExceeded):
        return Fault.SILENT
    except (UpstreamFailed, ValueError):  # pydantic's ValidationError is one
        return Fault.GARBLED


def fault_of(answer: Answer) -> Fault | None:
    """None of one that is an answer."""
    if answer.status == 403:
        return Fault.REFUSED
    if answer.status >= 500:
        is_off = answer.error is not None and answer.error["code"] == MACHINE_OFF
        return Fault.OFF if is_off else Fault.SILENT
    return Fault.GARBLED if answer.status >= 400 else None
