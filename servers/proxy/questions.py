"""A look at the upstreams: what each is asked, all at the same time, and what its answer means."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


def look(upstreams: Upstreams) -> Answers:
    """Raises nothing that an upstream could cause."""
    with ThreadPoolExecutor(5, "look") as pool:
        tts, whisperx = (pool.submit(_health, door) for door in (upstreams.tts, upstreams.whisperx))
        machine, queue = pool.submit(_machine, upstreams.machine), pool.submit(_queue, upstreams.jobs)
        key = pool.submit(_key, upstreams)
        return Answers(tts.result(), whisperx.result(), machine.result(), queue.result(), key.result())


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
