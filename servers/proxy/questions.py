"""A look at the upstreams: what each is asked, all at the same time, and what its answer means."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from servers.errors import DeadlineExceeded, UpstreamFailed, UpstreamRefused, UpstreamUnreachable
from servers.proxy.answers import Answers, Fault, Health, Jobs, Models, Queue
from servers.proxy.calls import Answer
from servers.proxy.upstream import Upstream, Upstreams

ASK_S = 4.0
MACHINE_OFF = "machine_off"
"""The code of what stands before a machine that is off."""
SILENT = (UpstreamUnreachable, DeadlineExceeded)
T = TypeVar("T")


def look(upstreams: Upstreams) -> Answers:
    """Raises nothing that an upstream could cause."""
    with ThreadPoolExecutor(5, "look") as pool:
        tts, whisperx = (pool.submit(_health, door) for door in (upstreams.tts, upstreams.whisperx))
        machine, queue = pool.submit(_machine, upstreams.machine), pool.submit(_queue, upstreams.jobs)
        key = pool.submit(_key, upstreams)
        return Answers(tts.result(), whisperx.result(), machine.result(), queue.result(), key.result())


def _health(door: Upstream) -> Health | Fault:
    return _told(door, "/health", Health.model_validate)


def _key(upstreams: Upstreams) -> Fault | None:
    """Whether the key is taken, where only the doors are there to ask: /health needs none."""
    if upstreams.machine is not None:
        return None
    found = _told(upstreams.tts, "/v1/models", lambda models: models)
    return found if found is Fault.REFUSED else None


def _machine(machine: Upstream | None) -> dict[str, Any] | Fault | None:
    """None also where its address leads nowhere: then nothing starts a machine there."""
    if machine is None:
        return None
    return _told(machine, "", _state_of_machine, missing=None)


def _state_of_machine(answer: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(answer.get("state"), str):
        raise ValueError("it is no status of a machine")
    return answer


def _queue(jobs: Upstream | None) -> Queue | Fault | None:
    if jobs is None:
        return None
    queue, models = _told(jobs, "/queue", Jobs.model_validate), _told(jobs, "/models", Models.model_validate)
    if isinstance(queue, Fault) or isinstance(models, Fault):
        return queue if isinstance(queue, Fault) else models  # type: ignore[return-value]  # one of them is
    return Queue(queue, models)


def _told(
    whom: Upstream, path: str, read: Callable[[dict[str, Any]], T], missing: Fault | None = Fault.GARBLED
) -> T | Fault:
    try:
        answer = whom.request("GET", path, timeout_s=ASK_S)
        if (fault := fault_of(answer)) is not None:
            return fault
        return read(answer.json())
    except UpstreamRefused:
        return Fault.REFUSED
    except SILENT:
        return Fault.SILENT
    except (UpstreamFailed, ValidationError, ValueError):
        return Fault.GARBLED
