"""What is known of each model: one `ModelState` each, from absent to computing, changed by its methods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from servers.backends.base import About
from servers.engine.process import Runner
from servers.engine.residency import Resident, held_until, others
from servers.engine.runs import Run
from servers.engine.scheduler import Model
from servers.errors import ModelLoadFailed, OutOfMemory, SkylarkError
from servers.settings import Engine as Limits
from servers.speech import ModelSpec

LOAD_ERROR_S = 30.0
"""/ready says "no" for so long after a failed load: a load balancer sends nobody who would try again."""


class Phase(StrEnum):
    """absent → loading → ready ⇄ running ⇄ paused; from each of them → leaving → absent."""

    ABSENT = "absent"
    LOADING = "loading"
    READY = "ready"
    RUNNING = "running"
    """It computes."""
    PAUSED = "paused"
    """Its run waits at a step, and keeps its memory."""
    LEAVING = "leaving"
    """Its process was told to end; its memory counts as taken until it is gone."""


RESIDENT = (Phase.LOADING, Phase.READY, Phase.RUNNING, Phase.PAUSED)


@dataclass
class ModelState:
    """One model of models.yaml. Only the engine's loop changes it; times are of its monotonic clock."""

    spec: ModelSpec
    max_batch: int = 1
    """How many requests it is given together."""
    phase: Phase = Phase.ABSENT
    pinned: bool = False
    """Loaded, and never evicted."""
    held_until: float = 0.0
    """Once loaded it stays until then, whoever asks."""
    wanted: bool = False
    """To be loaded once no job waits for another."""
    awaited: bool = False
    """To be loaded at the start, which it has not been yet: no door is ready."""
    cramped: bool = False
    """It ran out of memory: all others leave before it is run or loaded once more."""
    runner: Runner | None = None
    run: Run | None = None
    """What it works on, while it is running or paused."""
    started_at: float = 0.0
    loaded_at: float = 0.0
    used_at: float = 0.0
    heard_at: float = 0.0
    about: About | None = None
    """What it said of itself when it was last loaded."""
    load_error: SkylarkError | None = None
    """Why it could not be loaded, until it is tried again or LOAD_ERROR_S have passed."""
    failed_at: float = 0.0
    load_crashes: int = 0

    @property
    def key(self) -> Model:
        return self.spec.key

    @property
    def name(self) -> str:
        """For people: "backend/model"."""
        return "/".join(self.key)

    @property
    def is_resident(self) -> bool:
        return self.phase in RESIDENT

    @property
    def is_background(self) -> bool:
        """Whether what it works on is preemptible, and wanted."""
        return self.run is not None and self.run.preemptible and bool(self.run.jobs)

    @property
    def room(self) -> int:
        """How many requests may join what it works on."""
        if self.phase is not Phase.RUNNING or self.run is None or not self.run.takes_more:
            return 0
        return self.max_batch - len(self.run.jobs)

    def resident(self) -> Resident:
        """As the policy of residency sees it."""
        return Resident(
            self.key,
            vram_mb=self.spec.vram_mb,
            busy=self.run is not None,
            loading=self.phase is Phase.LOADING,
            pinned=self.pinned,
            held_until=self.held_until,
            loaded_at=self.loaded_at,
            used_at=self.used_at,
        )

    def fault(self, limits: Limits, now: float) -> str | None:
        """Why its runner has to be ended, if it has to."""
        match self.phase:
            case Phase.ABSENT | Phase.LEAVING:
                return None
            case Phase.LOADING:  # it may well be silent: loading can hold the interpreter's lock
                return "load_timeout" if now - self.started_at > limits.load_timeout_s else None
        if now - self.heard_at > limits.lease_s:
            return "silent"
        give_up_at = self.run.give_up_at if self.run is not None else None
        return "not_cancelled" if give_up_at is not None and now > give_up_at else None

    def held_s(self, now: float) -> float:
        """For how long it is held yet."""
        return max(0.0, self.held_until - now)

    # how it changes

    def load(self, runner: Runner, now: float) -> None:
        self.phase, self.runner, self.load_error = Phase.LOADING, runner, None
        self.started_at = self.loaded_at = self.used_at = self.heard_at = now

    def loaded(self, about: About, now: float) -> None:
        self.phase, self.about = Phase.READY, about
        self.loaded_at = self.used_at = now
        self.wanted, self.awaited, self.load_crashes = False, False, 0

    def fail(self, error: SkylarkError, now: float) -> None:
        """It cannot be loaded; whatever process it had is on its way out."""
        self.load_error, self.failed_at = error, now
        self.wanted, self.cramped, self.load_crashes = False, False, 0

    def forget_failure(self, now: float) -> None:
        """One that is awaited is tried again: no door is ready, so nobody comes who would ask for it."""
        if self.load_error is not None and now - self.failed_at > LOAD_ERROR_S:
            self.load_error = None
            self.wanted = self.wanted or self.awaited

    def begin(self, run: Run, now: float) -> None:
        self.phase, self.run, self.used_at, self.cramped = Phase.RUNNING, run, now, False
        run.joined_at = now

    def pause(self) -> None:
        self.phase = Phase.PAUSED

    def resume(self) -> None:
        self.phase = Phase.RUNNING

    def end_run(self, now: float) -> None:
        self.phase, self.run, self.used_at = Phase.READY, None, now

    def hold(self, seconds: float, now: float) -> None:
        self.held_until = held_until(self.held_until, seconds, now)

    def leave(self) -> None:
        self.phase = Phase.LEAVING

    def gone(self, max_crashes: int) -> SkylarkError | None:
        """Its process has ended. Returns why it is given up, after so many crashes while it loaded."""
        was = self.phase
        self.phase, self.runner, self.run = Phase.ABSENT, None, None
        if was is not Phase.LOADING:
            self.wanted = self.wanted or (self.pinned and was is not Phase.LEAVING)
            return None
        self.load_crashes += 1
        if self.load_crashes < max_crashes:
            return None
        return ModelLoadFailed(f"the runner ended {self.load_crashes} times while it loaded {self.name}")

    def want(self) -> None:
        """Load it once no job waits for another, unless it is loaded; an earlier failure is forgotten.

        One that is loaded and still wanted would keep its turn from those that are wanted after it.
        """
        self.wanted = self.phase in (Phase.ABSENT, Phase.LOADING, Phase.LEAVING)
        self.load_error = None


def may_try_again(error: SkylarkError, model: Model, states: Iterable[ModelState], now: float) -> bool:
    """Whether the others, once they have left or were saved, give a model the memory that it ran out of."""
    beside = [state for state in states if state.is_resident and state.key != model]
    leaving = others(model, [state.resident() for state in beside], now)
    makes_room = any(state.is_background for state in beside) or leaving
    return isinstance(error, OutOfMemory) and bool(makes_room)
