"""What occupies the device in the eyes of a plan in the making: what was planned counts as done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from servers.engine.models import ModelState, Phase
from servers.engine.residency import Policy, Resident, can_ever_fit, evictions, idle, others
from servers.engine.scheduler import Model
from servers.errors import ModelLoadFailed


class Memory:
    """`residents` are the models that are there, or will be; those that were told to leave are not."""

    def __init__(self, models: Mapping[Model, ModelState], policy: Policy, now: float) -> None:
        self.residents = {key: each.resident() for key, each in models.items() if each.is_resident}
        self.is_coming_back = any(each.phase is Phase.LEAVING for each in models.values())
        """Somebody leaves: nothing is loaded before it is gone."""
        self._models, self._policy, self._now = models, policy, now

    def load(self, model: ModelState) -> None:
        self.residents[model.key] = Resident(
            model.key, vram_mb=model.spec.vram_mb, loading=True, loaded_at=self._now
        )

    def evict(self, key: Model) -> None:
        del self.residents[key]
        self.is_coming_back = True

    def use(self, key: Model) -> None:
        """The model is given work."""
        self.residents[key] = replace(self.residents[key], busy=True)

    @property
    def may_load(self) -> bool:
        """Whether anything can be loaded now, if it has room."""
        loading = sum(resident.loading for resident in self.residents.values())
        return not self.is_coming_back and loading < self._policy.max_parallel_loads

    def has_room(self, model: ModelState) -> bool:
        return self.may_load and self.evictions(model) == []

    def evictions(self, model: ModelState) -> list[Model] | None:
        """Who has to leave before the model is loaded, or run; None where that is not possible now.

        For one that ran out of memory all others have to, and preemptible work has to be saved before.
        """
        return self._evictions(model, self.residents)

    def _evictions(self, model: ModelState, residents: Mapping[Model, Resident]) -> list[Model] | None:
        crowd = list(residents.values())
        if model.cramped and any(each.is_background for each in self._models.values() if each is not model):
            return None
        if model.cramped and (all_others := others(model.key, crowd, self._now)):
            return all_others
        if model.phase is not Phase.ABSENT:
            return []
        return evictions(model.spec.vram_mb, crowd, self._policy, self._now)

    def is_in_the_way(self, model: ModelState, wanted: ModelState) -> bool:
        """Whether `wanted` can come only once `model` has let go of its work."""
        if wanted.cramped:
            return True
        if wanted.phase is not Phase.ABSENT or self.is_coming_back:
            return False
        free = replace(self.residents[model.key], busy=False)
        without = self._evictions(wanted, self.residents | {model.key: free})
        return self.evictions(wanted) is None and without is not None and model.key in without

    def was_used_within(self, seconds: float, keys: Collection[Model]) -> bool:
        """Whether any of these has been at work so lately."""
        return any(self._now - self.residents[key].used_at < seconds for key in keys)

    def idle(self, awaited: Collection[Model]) -> list[Model]:
        """Those that nobody has used for long, and no job waits for."""
        crowd = [resident for key, resident in self.residents.items() if key not in awaited]
        return idle(crowd, self._policy, self._now)

    def too_large(self, model: ModelState) -> ModelLoadFailed | None:
        """Why the model can never be loaded, if it cannot."""
        if can_ever_fit(model.spec.vram_mb, list(self.residents.values()), self._policy):
            return None
        return ModelLoadFailed(
            f"{model.name} takes {model.spec.vram_mb} MB, and beside the pinned models the device has no "
            f"room for it ({self._policy.vram_mb} MB and {self._policy.max_models} models in all)"
        )
