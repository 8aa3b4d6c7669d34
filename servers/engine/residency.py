"""Which model leaves: a pure function of what is resident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from servers.engine.scheduler import Model


@dataclass(frozen=True)
class Resident:
    """A model that occupies the device: loading, ready or computing."""

    model: Model
    busy: bool
    """It is loading or has work in hand."""
    used_at: float
    """When it was last given work, or became ready."""


def evictions(residents: Sequence[Resident], max_models: int) -> list[Model] | None:
    """The models that have to leave before one more can be loaded, least recently used first.

    None when that takes a model that is busy: then wait.
    """
    surplus = len(residents) + 1 - max_models
    idle = sorted((resident for resident in residents if not resident.busy), key=lambda r: r.used_at)
    if surplus > len(idle):
        return None
    return [resident.model for resident in idle[: max(0, surplus)]]
