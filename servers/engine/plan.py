"""What to do next: a pure function of what the models are at, the queue's heads, and the time.

`plan` decides and does nothing; the loop does what it says. Which job is next is the scheduler's to say, and
what may leave the memory is residency's: here the two meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from servers.engine.actions import Action, End, Evict, Fail, Join, Load, Pause, Resume, Run
from servers.engine.background import Account
from servers.engine.models import ModelState, Phase
from servers.engine.residency import Policy, Resident, can_ever_fit, evictions, idle, others
from servers.engine.runs import Asked
from servers.engine.scheduler import Affinity, Model, choose, is_pressing
from servers.errors import ModelLoadFailed
from servers.jobs.store import Head
from servers.settings import Engine as Limits


@dataclass(frozen=True)
class State:
    """All that a decision depends on, besides the queue and the time."""

    models: Mapping[Model, ModelState]
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    application_id: str | None = None
    """The application that was served last."""
    account: Account = field(default_factory=Account)
    draining: bool = False


def plan(state: State, heads: Sequence[Head], now: float) -> list[Action]:
    """What to do now, in this order; nothing where all may go on as it is.

    `now`, and the heads' created_at, are of the clock that the models' times are of.

    1. A runner that is silent, loads too long, or does not let go of its run, is ended.
    2. While the engine drains, nothing is begun, and what is preemptible is saved.
    3. Jobs whose model can never be loaded fail.
    4. All others leave for a model that ran out of memory.
    5. Preemptible work makes way for a job that waits, or goes on once its turn has come.
    6. Where nobody computes the next job is run; or its model is loaded, or made room for.
    7. Jobs join what their model computes.
    8. Other models that jobs wait for, or that are wanted, are loaded where nothing has to leave for them.
    9. Models that nobody has used for long leave.
    """
    turn = _Turn(state, heads, now)
    turn.end_faulty()  # 1.
    if state.draining:  # 2.
        turn.save_all()
        return turn.actions
    turn.fail_impossible()  # 3.
    turn.make_all_room()  # 4.
    turn.switch_background()  # 5.
    turn.run_next()  # 6.
    turn.join()  # 7.
    turn.load_beside()  # 8.
    turn.evict_idle()  # 9.
    return turn.actions


class _Turn:
    """One decision in the making: what was decided so far is in `actions`, and counted as done."""

    def __init__(self, state: State, heads: Sequence[Head], now: float) -> None:
        self.actions: list[Action] = []
        self._state, self._now = state, now
        self._models, self._limits = state.models, state.limits
        self._front = [head for head in heads if not head.preemptible]
        self._back = [head for head in heads if head.preemptible]
        self._residents = {key: each.resident() for key, each in state.models.items() if each.is_resident}
        self._awaits_memory = any(each.phase is Phase.LEAVING for each in state.models.values())
        self._computing = [each for each in state.models.values() if each.phase is Phase.RUNNING]
        self._slots = self._limits.max_computing - len(self._computing)
        self._ended: set[Model] = set()
        self._begun: set[Model] = set()

    # 1. and 2.

    def end_faulty(self) -> None:
        for key, model in self._models.items():
            if reason := _fault(model, self._limits, self._now):
                self._ended.add(key)
                self.actions.append(End(key, reason))

    def save_all(self) -> None:
        for model in self._background():
            self._pause(model, save=True)

    # 3. and 4.

    def fail_impossible(self) -> None:
        for key in dict.fromkeys(self._needed()):
            model = self._models[key]
            if model.phase is Phase.ABSENT and not self._can_ever_fit(model):
                self._front = [head for head in self._front if head.model != key]
                self._back = [head for head in self._back if head.model != key]
                self.actions.append(Fail(key, self._too_large(model)))
                self._ended.add(key)

    def _can_ever_fit(self, model: ModelState) -> bool:
        return can_ever_fit(model.spec.vram_mb, list(self._residents.values()), self._state.policy)

    def _too_large(self, model: ModelState) -> ModelLoadFailed:
        policy = self._state.policy
        return ModelLoadFailed(
            f"{model.name} takes {model.spec.vram_mb} MB, and beside the pinned models the device has no "
            f"room for it ({policy.vram_mb} MB and {policy.max_models} models in all)"
        )

    def make_all_room(self) -> None:
        for key in [key for key, model in self._models.items() if model.cramped]:
            self._evict(others(key, list(self._residents.values())))

    # 5.

    def switch_background(self) -> None:
        for model in self._background():
            head = self._next()
            if head is not None and (save := self._way_for(head, model)) is not None:
                self._pause(model, save=save)
            elif model.phase is Phase.PAUSED and self._may_resume(model, head):
                self._slots -= 1
                self.actions.append(Resume(model.key))

    def _way_for(self, head: Head, model: ModelState) -> bool | None:
        """Whether preemptible work has to be saved for the job, or only to be paused; None: neither.

        1. It has its turn, unless the job is urgent.
        2. The job is for the same model, or for one that cannot come while this one keeps its memory.
        3. The job's model is ready, and waits for the device alone.
        """
        if head.priority != 0 and not self._state.account.is_used_up and model.phase is Phase.RUNNING:  # 1.
            return None
        wanted = self._models[head.model]
        if wanted is model or self._is_in_the_way(model, wanted):  # 2.
            return True
        is_next = wanted.phase is Phase.READY and model.phase is Phase.RUNNING and self._slots <= 0
        return False if is_next else None  # 3.

    def _is_in_the_way(self, model: ModelState, wanted: ModelState) -> bool:
        if wanted.phase is not Phase.ABSENT or self._awaits_memory:
            return False
        free = replace(self._residents[model.key], busy=False, loaded_at=float("-inf"))
        without = self._evictions(wanted, self._residents | {model.key: free})
        return self._evictions(wanted) is None and without is not None and model.key in without

    def _may_resume(self, model: ModelState, head: Head | None) -> bool:
        if self._slots <= 0 or model.run is None or model.run.asked is not Asked.PAUSE:
            return False
        if head is None:
            return not self._computing
        return head.priority != 0 and self._state.account.is_due(resident=True)

    def _pause(self, model: ModelState, *, save: bool) -> None:
        """Says it once."""
        asked = Asked.SAVE if save else Asked.PAUSE
        if model.run is not None and model.run.asked not in (asked, Asked.SAVE) and not self._is_ended(model):
            self.actions.append(Pause(model.key, save))

    def _background(self) -> list[ModelState]:
        return [model for model in self._models.values() if model.is_background]

    # 6.

    def run_next(self) -> None:
        """Where a job has to wait for its model, the jobs of ready models go on, unless it is urgent.

        They wait with it where they would keep in use what has to leave for it.
        """
        waiting = self._front
        head = self._next_or_background()
        while head is not None and self._slots > 0:
            if self._is_ready(head.model):
                self._run(head)
            elif not self._bring(head.model) or head.priority == 0:
                return
            waiting = [each for each in waiting if self._is_ready(each.model)]
            head = self._choose(waiting)

    def _next_or_background(self) -> Head | None:
        """Queued preemptible work is next where nothing else is there, or once its turn has come."""
        head, back = self._next(), self._choose(self._back)
        if back is None or self._background() or (head is not None and head.priority == 0):
            return head
        if head is None:
            return None if self._computing else back
        resident = self._models[back.model].is_resident
        return back if self._state.account.is_due(resident=resident) else head

    def _run(self, head: Head) -> None:
        self._slots -= 1
        self._begun.add(head.model)
        self._residents[head.model] = replace(self._residents[head.model], busy=True)
        self.actions.append(Run(head))

    def _bring(self, key: Model) -> bool:
        """One step towards having the model; False where it has to wait for work to end."""
        model = self._models[key]
        if model.phase is not Phase.ABSENT or self._awaits_memory or self._is_loading_enough():
            return True
        victims = self._evictions(model)
        if victims is None:
            return False
        self._evict(victims)
        if not victims:
            self._load(key)
        return True

    def _is_ready(self, key: Model) -> bool:
        model = self._models[key]
        is_free = (
            model.phase is Phase.READY and key in self._residents and key not in self._begun | self._ended
        )
        return is_free and not (model.cramped and self._awaits_memory)

    def _is_loading_enough(self) -> bool:
        loading = sum(resident.loading for resident in self._residents.values())
        return loading >= self._state.policy.max_parallel_loads

    # 7.

    def join(self) -> None:
        """Not where an urgent or overdue job that cannot join is next, nor where the background is due."""
        if not self._limits.joins or self._background_is_due():
            return
        left = [head for head in self._front if head.model not in self._begun]
        joining = {
            model.key: [head for head in left if _may_join(head, model)]
            for model in self._computing
            if model.room > 0 and not self._is_ended(model)
        }
        head = self._choose(left)
        if head is not None and self._is_pressing(head) and head not in joining.get(head.model, ()):
            return
        for key, heads in joining.items():
            if (first := self._choose(heads)) is not None:
                self.actions.append(Join(first, self._models[key].room))

    def _background_is_due(self) -> bool:
        waits = [model for model in self._background() if model.phase is Phase.PAUSED]
        account = self._state.account
        if waits:
            return account.is_due(resident=True)
        return any(account.is_due(resident=self._models[head.model].is_resident) for head in self._back)

    # 8. and 9.

    def load_beside(self) -> None:
        """With no job in hand or waiting, the first that is wanted is made room for."""
        for key in dict.fromkeys(self._needed()):
            if self._models[key].phase is Phase.ABSENT and key not in self._ended and self._has_room(key):
                self._load(key)
        wanted = [key for key, model in self._models.items() if model.wanted and key not in self._ended]
        if wanted and not (self._front or self._back or self._computing):
            self._bring(wanted[0])

    def _has_room(self, key: Model) -> bool:
        return not self._awaits_memory and self._evictions(self._models[key]) == []

    def evict_idle(self) -> None:
        awaited = {head.model for head in self._front + self._back}
        residents = [resident for key, resident in self._residents.items() if key not in awaited]
        self._evict(idle(residents, self._state.policy, self._now))

    # what they share

    def _load(self, key: Model) -> None:
        if key not in self._residents:
            self._residents[key] = Resident(
                key, vram_mb=self._models[key].spec.vram_mb, loading=True, loaded_at=self._now
            )
            self.actions.append(Load(key))

    def _evict(self, victims: Iterable[Model]) -> None:
        """Their memory counts as taken until they are gone: nothing is loaded before."""
        for victim in victims:
            del self._residents[victim]
            self._awaits_memory = True
            self.actions.append(Evict(victim))

    def _evictions(
        self, model: ModelState, residents: Mapping[Model, Resident] | None = None
    ) -> list[Model] | None:
        crowd = list((self._residents if residents is None else residents).values())
        return evictions(model.spec.vram_mb, crowd, self._state.policy, self._now)

    def _needed(self) -> list[Model]:
        """The models that jobs wait for, those of the oldest first, then those that are wanted."""
        waiting = [head.model for head in sorted(self._front + self._back, key=lambda head: head.seq)]
        return waiting + [key for key, model in self._models.items() if model.wanted]

    def _next(self) -> Head | None:
        return self._choose(self._front)

    def _choose(self, heads: Sequence[Head]) -> Head | None:
        since = {key: model.loaded_at for key, model in self._models.items() if key in self._residents}
        affinity = Affinity(since, self._state.application_id)
        return choose(heads, affinity, self._now, self._limits.max_wait_s)

    def _is_pressing(self, head: Head) -> bool:
        return is_pressing(head, self._now, self._limits.max_wait_s)

    def _is_ended(self, model: ModelState) -> bool:
        return model.key in self._ended


def _fault(model: ModelState, limits: Limits, now: float) -> str | None:
    match model.phase:
        case Phase.ABSENT | Phase.LEAVING:
            return None
        case Phase.LOADING:  # it may well be silent: loading can hold the interpreter's lock
            return "load_timeout" if now - model.started_at > limits.load_timeout_s else None
    if now - model.heard_at > limits.lease_s:
        return "silent"
    give_up_at = model.run.give_up_at if model.run is not None else None
    return "not_cancelled" if give_up_at is not None and now > give_up_at else None


def _may_join(head: Head, model: ModelState) -> bool:
    """A job that was tried already is tried alone."""
    run = model.run
    assert run is not None
    shared = head.batch_key is not None and head.batch_key == run.batch_key
    return head.model == model.key and shared and head.attempt == 0
