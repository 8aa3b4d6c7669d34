"""What is resident: pure functions that say whether a model can be loaded now, and which have to leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from servers.engine.scheduler import Model
from servers.speech import ModelSpec


@dataclass(frozen=True)
class Resident:
    """A model that occupies the device: loading, ready or computing. Times are of one monotonic clock."""

    model: Model
    vram_mb: int = 0
    busy: bool = False
    """It has work in hand, or is loading."""
    loading: bool = False
    pinned: bool = False
    held_until: float = 0.0
    """Somebody counts on it until then, and may renew that."""
    loaded_at: float = 0.0
    used_at: float = 0.0
    """When it last ended work, or became ready."""


@dataclass(frozen=True)
class Policy:
    """What may be resident at the same time, and for how long."""

    max_models: int = 1
    vram_mb: int | None = None
    """The budget of all models together; None where the device has no memory of its own."""
    keep_alive_s: float = 0.0
    """Idle seconds before a model may leave unasked; 0 is never."""
    min_residency_s: float = 0.0
    max_parallel_loads: int = 1


def evictions(vram_mb: int, residents: Sequence[Resident], policy: Policy, now: float) -> list[Model] | None:
    """The models that have to leave before one of `vram_mb` can be loaded; none if it fits already.

    1. A model with work in hand, pinned, held, or younger than min_residency_s stays.
    2. First those idle past keep_alive_s leave, then the least recently used.
    3. As few as make it fit both max_models and the VRAM budget.
    None where that is not possible now: then wait.
    """
    if sum(resident.loading for resident in residents) >= policy.max_parallel_loads:
        return None
    movable = [each for each in residents if _may_leave(each, policy, now)]  # 1.
    movable.sort(key=lambda each: (not _is_idle(each, policy, now), each.used_at))  # 2.
    staying, leaving = list(residents), []
    while not _fits(vram_mb, staying, policy):  # 3.
        if not movable:
            return None
        staying.remove(movable[0])
        leaving.append(movable.pop(0))
    return [each.model for each in leaving]


def idle(residents: Sequence[Resident], policy: Policy, now: float) -> list[Model]:
    """The models that nobody has used for keep_alive_s, and that may leave."""
    return [each.model for each in residents if _may_leave(each, policy, now) and _is_idle(each, policy, now)]


def others(model: Model, residents: Sequence[Resident], now: float) -> list[Model]:
    """All that may make room for a model that ran out of memory; none where it had all there is."""
    return [each.model for each in residents if each.model != model and not _has_to_stay(each, now)]


def held_until(before: float, seconds: float, now: float) -> float:
    """Until when a model is held that somebody asks to hold for so long; nobody shortens another's hold."""
    return max(before, now + seconds)


def can_ever_fit(vram_mb: int, residents: Sequence[Resident], policy: Policy) -> bool:
    """Whether the model fits once all that are not pinned have left."""
    return _fits(vram_mb, [each for each in residents if each.pinned], policy)


def wanted_at_start(models: Sequence[ModelSpec], policy: Policy, *, everything: bool) -> set[Model]:
    """The models that are to be loaded at the start: those that say so, and with `everything` the others too,
    in their order, as long as none has to leave for the next.
    """
    wanted = [spec for spec in models if spec.pin or spec.preload]
    for spec in models if everything else ():
        resident = [Resident(each.key, vram_mb=each.vram_mb) for each in wanted]
        if spec not in wanted and _fits(spec.vram_mb, resident, policy):
            wanted.append(spec)
    return {spec.key for spec in wanted}


def _may_leave(resident: Resident, policy: Policy, now: float) -> bool:
    young = now - resident.loaded_at < policy.min_residency_s
    return not (young or _has_to_stay(resident, now))


def _has_to_stay(resident: Resident, now: float) -> bool:
    return resident.busy or resident.loading or resident.pinned or now < resident.held_until


def _is_idle(resident: Resident, policy: Policy, now: float) -> bool:
    return policy.keep_alive_s > 0 and now - resident.used_at >= policy.keep_alive_s


def _fits(vram_mb: int, residents: Sequence[Resident], policy: Policy) -> bool:
    taken_mb = sum(resident.vram_mb for resident in residents)
    within_budget = policy.vram_mb is None or taken_mb + vram_mb <= policy.vram_mb
    return len(residents) + 1 <= policy.max_models and within_budget
