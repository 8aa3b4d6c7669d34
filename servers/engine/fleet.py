"""The runners that there are, and which models they hold: loaded, evicted, watched over and ended here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from servers.backends.base import About
from servers.catalog import Catalog
from servers.engine.device import Device
from servers.engine.residency import Policy, Resident, can_ever_fit, evictions, idle
from servers.engine.runners import Hear, Runner, State
from servers.engine.scheduler import Model
from servers.errors import ModelLoadFailed, SkylarkError
from servers.settings import Settings
from servers.speech import ModelSpec

log = logging.getLogger(__name__)
LOAD_ERROR_S = 30.0
"""/ready says "no" for so long after a failed load: a load balancer sends nobody who would try again."""


class Fleet:
    """Only the engine's loop changes it; other threads may look at what has no underscore."""

    def __init__(
        self, settings: Settings, catalog: Catalog, device: Device, hear: Hear, ticks: Callable[[], float]
    ) -> None:
        self.runners: dict[Model, Runner] = {}
        self.abouts: dict[Model, About] = {}
        """What each model said of itself when it was last loaded."""
        self.load_errors: dict[Model, SkylarkError] = {}
        """Why a model could not be loaded, until it is tried again or LOAD_ERROR_S have passed."""
        self._failed_at: dict[Model, float] = {}
        self.pinned: set[Model] = {spec.key for spec in catalog if spec.pin}
        self._settings, self._limits = settings, settings.engine
        self.wanted: list[Model] = [spec.key for spec in catalog if spec.pin or spec.preload]
        """Models to load once no job waits for another."""
        self.policy = Policy(
            max_models=self._limits.max_models,
            vram_mb=self._limits.vram_mb or device.vram_mb,
            keep_alive_s=self._limits.keep_alive_s,
            min_residency_s=self._limits.min_residency_s,
            max_parallel_loads=self._limits.max_parallel_loads,
        )
        self._catalog, self._device = catalog, device
        self._hear, self._ticks = hear, ticks
        self._leaving: set[Runner] = set()
        self._load_crashes: dict[Model, int] = {}

    def resident(self) -> frozenset[Model]:
        return frozenset(self.runners)

    def ages_s(self) -> dict[Model, float]:
        """How long each resident model has been here."""
        now = self._ticks()
        return {model: now - runner.loaded_at for model, runner in self.runners.items()}

    def ready(self) -> frozenset[Model]:
        return frozenset(model for model, runner in self.runners.items() if runner.state is State.READY)

    def computing(self) -> list[Runner]:
        return [runner for runner in self.runners.copy().values() if runner.state is State.RUNNING]

    def make_resident(self, model: Model) -> None:
        """One step towards it: evict, or wait for the memory to come back, or load.

        Raises ModelLoadFailed for a model that can never fit.
        """
        if self._leaving:
            return
        spec, residents = self._catalog.resolve(*model), self._residents()
        if not can_ever_fit(spec.vram_mb, residents, self.policy):
            raise ModelLoadFailed(
                f"{'/'.join(model)} takes {spec.vram_mb} MB, and beside the pinned models the device has no "
                f"room for it ({self.policy.vram_mb} MB and {self.policy.max_models} models in all)"
            )
        victims = evictions(spec.vram_mb, residents, self.policy, self._ticks())
        for victim in victims or ():
            self.evict(victim)
        if victims == []:
            self._load(spec)

    def load_if_room(self, model: Model) -> None:
        """Loads the model if it is not resident and nothing has to leave for it."""
        if model in self.runners or self._leaving:
            return
        spec = self._catalog.resolve(*model)
        if evictions(spec.vram_mb, self._residents(), self.policy, self._ticks()) == []:
            self._load(spec)

    def want(self, model: Model) -> None:
        """Load it once no job waits for another; an earlier failure is forgotten."""
        self.load_errors.pop(model, None)
        if model not in self.wanted:
            self.wanted.append(model)

    def unload(self, model: Model) -> None:
        """Let it leave now, unless it has work in hand."""
        self.wanted = [wanted for wanted in self.wanted if wanted != model]
        runner = self.runners.get(model)
        if runner is not None and runner.state is not State.RUNNING:
            self.evict(model)

    def pin(self, model: Model, pinned: bool) -> None:
        """A pinned model is loaded and never evicted."""
        if not pinned:
            self.pinned.discard(model)
            return
        self.pinned.add(model)
        self.want(model)

    def set_keep_alive(self, seconds: float) -> None:
        self.policy = replace(self.policy, keep_alive_s=seconds)

    def evict_idle(self) -> None:
        for model in idle(self._residents(), self.policy, self._ticks()):
            self.evict(model)

    def evict_others(self, model: Model) -> bool:
        """Makes all the room there is for a model that ran out of memory; False where there was none."""
        others = [r.model for r in self._residents() if r.model != model and not (r.busy or r.pinned)]
        for other in others:
            self.evict(other)
        return bool(others)

    def evict(self, model: Model) -> None:
        log.info("a model leaves", extra={"action": "evict", "model": self.runners[model].name})
        self.end(self.runners[model])

    def _residents(self) -> list[Resident]:
        return [
            Resident(
                runner.model,
                vram_mb=runner.spec.vram_mb,
                busy=runner.state is State.RUNNING,
                loading=runner.loading,
                pinned=runner.model in self.pinned,
                loaded_at=runner.loaded_at,
                used_at=runner.used_at,
            )
            for runner in self.runners.values()
        ]

    def _load(self, spec: ModelSpec) -> None:
        self.load_errors.pop(spec.key, None)
        self.runners[spec.key] = Runner(
            spec,
            self._device.name,
            self._settings.backends_path,
            self._limits.warmup_text,
            self._hear,
            self._ticks,
        )

    def loaded(self, runner: Runner, about: About) -> None:
        load_s = round(self._ticks() - runner.started_at, 2)
        log.info("a model is ready", extra={"action": "ready", "model": runner.name, "load_s": load_s})
        runner.state = State.READY
        runner.loaded_at = runner.used_at = self._ticks()
        self.abouts[runner.model] = about
        self._load_crashes.pop(runner.model, None)

    def load_failed(self, runner: Runner, error: SkylarkError) -> None:
        fields = {"action": "load_failed", "model": runner.name, "error": error.code}
        log.error("a model cannot be loaded", extra=fields)
        self.remember_failure(runner.model, error)
        self._load_crashes.pop(runner.model, None)
        self.end(runner)

    def remember_failure(self, model: Model, error: SkylarkError) -> None:
        self.load_errors[model] = error
        self._failed_at[model] = self._ticks()

    def gone(self, runner: Runner) -> SkylarkError | None:
        """The runner's process has ended.

        Returns why its model is given up, when it has ended each time that the model was loaded.
        """
        self._leaving.discard(runner)
        if self.runners.get(runner.model) is not runner:
            return None
        fields = {"action": "runner_lost", "model": runner.name, "state": runner.state.value}
        log.warning("a runner is gone", extra=fields)
        del self.runners[runner.model]
        return self._load_crashed(runner) if runner.loading else None

    def _load_crashed(self, runner: Runner) -> SkylarkError | None:
        times = self._load_crashes[runner.model] = self._load_crashes.get(runner.model, 0) + 1
        if times < self._limits.max_attempts:
            return None
        error = ModelLoadFailed(f"the runner ended {times} times while it loaded {runner.name}")
        self.load_failed(runner, error)
        return error

    def watch(self) -> None:
        """Ends the runners that are silent, load too long, or do not let go of a cancelled run."""
        now = self._ticks()
        for model, failed_at in list(self._failed_at.items()):
            if now - failed_at > LOAD_ERROR_S:
                del self._failed_at[model]
                self.load_errors.pop(model, None)
        for runner in self.runners.values():
            if reason := self._fault(runner, now):
                fields = {"action": "runner_ended", "model": runner.name, "reason": reason}
                log.warning("a runner is ended", extra=fields)
                runner.kill()  # the rest follows when it is heard to be gone

    def _fault(self, runner: Runner, now: float) -> str | None:
        if runner.loading:  # it may well be silent: loading can hold the interpreter's lock
            return "load_timeout" if now - runner.started_at > self._limits.load_timeout_s else None
        if now - runner.heard_at > self._limits.lease_s:
            return "silent"
        if runner.run and runner.run.give_up_at is not None and now > runner.run.give_up_at:
            return "not_cancelled"
        return None

    def end(self, runner: Runner) -> None:
        """Ends the process; its memory counts as taken until it is heard to be gone."""
        if self.runners.get(runner.model) is runner:
            del self.runners[runner.model]
            self._leaving.add(runner)
        runner.kill()

    def end_all(self) -> None:
        """Returns when none is left."""
        for runner in [*self.runners.values(), *self._leaving]:
            runner.kill()
            runner.wait_ended()
