"""The models and the runners that hold them: each change of a ModelState with the effect that it has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from servers.backends.base import About, Backend
from servers.catalog import Catalog
from servers.engine.device import Device
from servers.engine.models import ModelState, Phase, may_try_again
from servers.engine.process import Runner, StartRunner
from servers.engine.residency import Policy, wanted_at_start
from servers.engine.runs import Run
from servers.engine.scheduler import Model
from servers.errors import ModelLoadFailed, SkylarkError
from servers.runner.wire import Asked
from servers.settings import Engine as Limits
from servers.speech import ModelSpec
from servers.trained_voices import TrainedVoice

log = logging.getLogger(__name__)


class Fleet:
    """Called by the engine's loop alone, but for `view`."""

    def __init__(
        self,
        catalog: Catalog,
        backends: Callable[[str], type[Backend]],
        limits: Limits,
        device: Device,
        start: StartRunner,
        ticks: Callable[[], float],
        note_load: Callable[[float], object] = lambda _: None,
    ) -> None:
        """`note_load` is told how long each load took, in seconds."""
        self.policy = Policy(
            max_models=limits.max_models,
            vram_mb=limits.vram_mb or device.vram_mb,
            keep_alive_s=limits.keep_alive_s,
            min_residency_s=limits.min_residency_s,
            max_parallel_loads=limits.max_parallel_loads,
        )
        at_start = wanted_at_start(list(catalog), self.policy, everything=limits.preload_models)
        self._catalog, self._backends = catalog, backends
        self._voices: tuple[TrainedVoice, ...] = ()
        """Those that the models were last compared with."""
        self._limits, self._start, self._ticks = limits, start, ticks
        self.models = {spec.key: self._state(spec, wanted=spec.key in at_start) for spec in catalog}
        self.device = device
        self._note_load = note_load

    def view(self) -> dict[Model, ModelState]:
        """How the models are, for other threads: copies that nobody changes."""
        return {key: copy(model) for key, model in self.models.items()}

    def _state(self, spec: ModelSpec, *, wanted: bool = False) -> ModelState:
        return ModelState(
            spec,
            max_batch=_max_batch(
                self._backends(spec.backend), spec.options, self._limits.max_concurrency_per_model
            ),
            pinned=spec.pin,
            wanted=wanted,
            awaited=spec.pin or spec.preload,
        )

    def look(self) -> None:
        """Takes over what time has changed: voices that were trained or removed, when each runner was last
        heard, failures that are forgotten.
        """
        self._learn()
        now = self._ticks()
        for model in self.models.values():
            model.forget_failure(now)
            if model.runner is not None:
                model.heard_at = model.runner.heard_at

    def _learn(self) -> None:
        """A new dict whenever it changes: other threads look through it. Models whose process is still there
        are forgotten once it has ended.
        """
        voices = tuple(self._catalog.trained)
        if voices == self._voices:
            return
        known = {spec.key: spec for spec in self._catalog}
        new = {key: self._state(spec) for key, spec in known.items() if key not in self.models}
        left = [model for key, model in self.models.items() if key not in known]
        gone = {model.key for model in left if model.phase is Phase.ABSENT}
        self.models = {key: each for key, each in self.models.items() if key not in gone} | new
        if len(gone) == len(left):
            self._voices = voices

    def computing(self) -> list[ModelState]:
        return [model for model in self.models.values() if model.phase is Phase.RUNNING]

    def of(self, runner: Runner) -> ModelState | None:
        """The model that the runner holds; None for a runner that is gone."""
        return next((model for model in self.models.values() if model.runner is runner), None)

    def run_of(self, job_id: str) -> tuple[ModelState, Run, int] | None:
        """The model that has the job in hand, its run, and the job's index in that."""
        for model in self.models.values():
            if model.run is not None and (index := model.run.index_of(job_id)) is not None:
                return model, model.run, index
        return None

    # what the plan says

    def load(self, key: Model) -> SkylarkError | None:
        """Starts the model's runner; returns why none can be started."""
        model = self.models[key]
        try:
            model.load(self._start(model.spec), self._ticks())
        except OSError as error:
            return ModelLoadFailed(
                f"a runner for {model.name} cannot be started: {error.strerror}: {error.filename}"
            )
        return None

    def evict(self, key: Model) -> None:
        log.info("a model leaves", extra={"action": "evict", "model": self.models[key].name})
        self._leave(self.models[key])

    def end(self, key: Model, reason: str) -> None:
        """Ends a runner that is at fault; the rest follows when it is heard to be gone."""
        model = self.models[key]
        fields = {"action": "runner_ended", "model": model.name, "reason": reason}
        log.warning("a runner is ended", extra=fields)
        if model.run is not None:
            model.run.takes_arrivals = False
        if model.runner is not None:
            model.runner.kill()

    def run(self, key: Model, run: Run, payloads: Sequence[dict[str, Any]]) -> None:
        model = self.models[key]
        model.begin(run, self._ticks())
        _runner(model).run(run, payloads)

    def join(self, key: Model, run: Run, payloads: Sequence[dict[str, Any]]) -> None:
        run.joined_at = self._ticks()
        _runner(self.models[key]).join(run, payloads)

    def pause(self, key: Model, *, save: bool) -> None:
        """A paused run that is told to save itself works again until it has."""
        model = self.models[key]
        run, runner = model.run, _runner(model)
        assert run is not None
        run.give_up_at = self._ticks() + self._limits.step_timeout_s
        if save:
            run.asked = Asked.SAVE
            model.resume()
            runner.save(run)
        else:
            run.asked = Asked.PAUSE
            runner.pause(run)

    def resume(self, key: Model) -> None:
        model = self.models[key]
        assert model.run is not None
        model.run.asked, model.run.give_up_at = Asked.GO_ON, None
        model.resume()
        _runner(model).resume(model.run)

    # what runners say

    def loaded(self, model: ModelState, about: About) -> None:
        load_s = round(self._ticks() - model.started_at, 2)
        log.info("a model is ready", extra={"action": "ready", "model": model.name, "load_s": load_s})
        model.loaded(about, self._ticks())
        self._note_load(load_s)

    def load_failed(self, model: ModelState, error: SkylarkError) -> bool:
        """Ends the runner; whether the model is tried once more, when all others have left for it."""
        self._leave(model)
        if not model.cramped and self.may_try_again(model, error):
            model.cramped = True
            return True
        self.give_up(model.key, error)
        return False

    def give_up(self, key: Model, error: SkylarkError) -> None:
        """The model cannot be loaded, for now."""
        fields = {"action": "load_failed", "model": self.models[key].name, "error": error.code}
        log.error("a model cannot be loaded", extra=fields)
        self.models[key].fail(error, self._ticks())

    def may_try_again(self, model: ModelState, error: SkylarkError) -> bool:
        return may_try_again(error, model.key, self.models.values(), self._ticks())

    def paused(self, model: ModelState) -> None:
        if model.run is not None and model.run.asked is Asked.PAUSE:
            model.run.give_up_at = None
            model.pause()

    def run_ended(self, model: ModelState) -> None:
        model.end_run(self._ticks())

    def gone(self, model: ModelState) -> SkylarkError | None:
        """Its process has ended. Returns why its model is given up, if it is."""
        if model.phase is not Phase.LEAVING:
            fields = {"action": "runner_lost", "model": model.name, "state": model.phase.value}
            log.warning("a runner is gone", extra=fields)
        error = model.gone(self._limits.max_attempts)
        if error is not None:
            self.give_up(model.key, error)
        return error

    # what people say

    def want(self, key: Model) -> None:
        self.models[key].want()

    def unload(self, key: Model) -> None:
        """Let it leave now, unless it has work in hand or is held: then nothing changes."""
        model = self.models[key]
        if model.run is not None or (model.is_resident and model.held_s(self._ticks())):
            return
        model.wanted = model.awaited = False
        if model.is_resident:
            self.evict(key)

    def pin(self, key: Model, pinned: bool) -> None:
        """A pinned model is loaded and never evicted."""
        self.models[key].pinned = pinned
        if pinned and not self.models[key].is_resident:
            self.want(key)

    def hold(self, key: Model, seconds: float) -> None:
        """It stays for so long, or from when it is loaded for what is left of that."""
        self.models[key].hold(seconds, self._ticks())

    def set_keep_alive(self, seconds: float) -> None:
        self.policy = replace(self.policy, keep_alive_s=seconds)

    def stop_run(self, model: ModelState, run: Run) -> None:
        """A run that no job waits for any more is stopped; the runner has a grace to notice."""
        if run.give_up_at is None or run.asked is not Asked.GO_ON:
            run.give_up_at = self._ticks() + self._limits.cancel_grace_s
            run.asked = Asked.GO_ON
            _runner(model).cancel(run)
            if model.phase is Phase.PAUSED:
                model.resume()

    def end_all(self) -> None:
        """Returns when no runner is left."""
        runners = [model.runner for model in self.models.values() if model.runner is not None]
        for runner in runners:
            runner.kill()
        for runner in runners:
            runner.wait_ended()

    def _leave(self, model: ModelState) -> None:
        model.leave()
        _runner(model).kill()


def _runner(model: ModelState) -> Runner:
    assert model.runner is not None
    return model.runner


def _max_batch(backend: type[Backend], options: dict[str, Any], most: int | None) -> int:
    own = backend.batch_limit(backend.options.model_validate(options))
    return own if most is None else min(own, most)
