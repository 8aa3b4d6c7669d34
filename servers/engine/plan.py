"""What to do next: a pure function of what the models are at, the queue's heads, and the time.

`plan` decides and does nothing; the loop does what it says. Which job is next is the scheduler's to say, and
what may leave the memory is residency's: here the two meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from servers.engine.actions import Action, End, Evict, Fail, Join, Load, Pause, Resume, Run, TimeOut
from servers.engine.background import RELOAD_SLICE_S, Account
from servers.engine.memory import Memory
from servers.engine.models import ModelState, Phase
from servers.engine.residency import Policy
from servers.engine.scheduler import Affinity, Model, choose, is_pressing
from servers.engine.time_limits import TimeLeft
from servers.jobs.store import Head
from servers.runner.wire import Asked
from servers.settings import Engine as Limits

GROUP_SHARE = 1 / 4
"""Of a batch: in groups of so many they join where more wait than there is room for."""
GROUP_WAIT_S = 1.0
"""So long after the last ones joined, whoever waits joins without a group: jobs end too seldom for one."""


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

    1. A runner that is silent, loads too long, or does not let go of its run, is ended; so is one whose jobs
       take longer than they may.
    2. While the engine drains, nothing is begun, and what is preemptible is saved.
    3. Jobs whose model can never be loaded fail.
    4. Preemptible work makes way for a job that waits, or goes on once its turn has come.
    5. Where nobody computes the next job is run; or its model is loaded, or made room for.
    6. Jobs join what their model computes.
    7. Other models that jobs wait for, or that are wanted, are loaded where nothing has to leave for them.
    8. Models that nobody has used for long leave.
    """
    turn = _Turn(state, heads, now)
    turn.end_faulty()  # 1.
    if state.draining:  # 2.
        turn.save_all()
        return turn.actions
    turn.fail_impossible()  # 3.
    turn.switch_background()  # 4.
    turn.run_next()  # 5.
    turn.join()  # 6.
    turn.load_beside()  # 7.
    turn.evict_idle()  # 8.
    return turn.actions


class _Turn:
    """One decision in the making: what was decided so far is in `actions`, and counted as done."""

    def __init__(self, state: State, heads: Sequence[Head], now: float) -> None:
        self.actions: list[Action] = []
        self._state, self._now = state, now
        self._models, self._limits = state.models, state.limits
        self._front = [head for head in heads if not head.preemptible]
        self._back = [head for head in heads if head.preemptible]
        self._memory = Memory(state.models, state.policy, now)
        self._computing = [each for each in state.models.values() if each.phase is Phase.RUNNING]
        self._slots = self._limits.max_computing - len(self._computing)
        self._ended: set[Model] = set()
        self._begun: set[Model] = set()

    # 1. and 2.

    def end_faulty(self) -> None:
        for key, model in self._models.items():
            if reason := model.fault(self._limits, self._now):
                self._ended.add(key)
                self.actions.append(End(key, reason))
            elif model.run is not None:
                self._time_out(key, model.run.time_left)

    def _time_out(self, key: Model, left: TimeLeft) -> None:
        if left.is_stuck(self._now):
            self._ended.add(key)
            self.actions.append(TimeOut(key))
        else:
            self.actions += [TimeOut(key, index) for index in left.used_up(self._now)]

    def save_all(self) -> None:
        for model in self._background():
            self._pause(model, save=True)

    # 3.

    def fail_impossible(self) -> None:
        for key in dict.fromkeys(self._needed()):
            model = self._models[key]
            error = self._memory.too_large(model) if model.phase is Phase.ABSENT else None
            if error is not None:
                self._front = [head for head in self._front if head.model != key]
                self._back = [head for head in self._back if head.model != key]
                self.actions.append(Fail(key, error))
                self._ended.add(key)

    # 4.

    def switch_background(self) -> None:
        for model in self._background():
            if self._has_to_be_saved(model):
                self._pause(model, save=True)
            elif model.phase is Phase.RUNNING and self._has_to_wait():
                self._pause(model, save=False)
            elif model.phase is Phase.PAUSED and self._may_go_on(model):
                self._slots -= 1
                self.actions.append(Resume(model.key))

    def _has_to_be_saved(self, model: ModelState) -> bool:
        """The next job is for the same model, or for one that cannot come while this one keeps its memory."""
        head = self._next()
        if head is None or (model.phase is Phase.RUNNING and self._has_its_turn(head)):
            return False
        wanted = self._models[head.model]
        return wanted is model or self._memory.is_in_the_way(model, wanted)

    def _has_to_wait(self) -> bool:
        """A job could be run at once, and has no other place."""
        head = self._next_ready()
        return self._slots <= 0 and head is not None and not self._has_its_turn(head)

    def _may_go_on(self, model: ModelState) -> bool:
        if self._slots <= 0 or model.run is None or model.run.asked is not Asked.PAUSE:
            return False
        head = self._next_ready()
        return head is None or (head.priority != 0 and self._state.account.is_due(resident=True))

    def _has_its_turn(self, head: Head) -> bool:
        return head.priority != 0 and not self._state.account.is_used_up

    def _next_ready(self) -> Head | None:
        """The next job of those that could be run at once."""
        return self._choose([head for head in self._front if self._is_ready(head.model)])

    def _pause(self, model: ModelState, *, save: bool) -> None:
        """Says it once."""
        asked = Asked.SAVE if save else Asked.PAUSE
        if model.run is not None and model.run.asked not in (asked, Asked.SAVE) and not self._is_ended(model):
            self.actions.append(Pause(model.key, save))

    def _background(self) -> list[ModelState]:
        return [model for model in self._models.values() if model.is_background]

    # 5.

    def run_next(self) -> None:
        """Where a job has to wait for its model, the jobs of ready models go on, unless it is urgent.

        They wait with it where they would keep in use what has to leave for it.
        """
        waiting, seen = self._front, set[Model]()
        head = self._next_or_background()
        while head is not None:
            if self._is_ready(head.model) and self._slots > 0 and not self._makes_all_room(head.model):
                self._run(head)
            elif not self._bring(head.model) or head.priority == 0:
                return
            seen.add(head.model)
            waiting = [each for each in waiting if each.model not in seen and self._is_ready(each.model)]
            head = self._choose(waiting) if self._slots > 0 else None

    def _next_or_background(self) -> Head | None:
        """Queued preemptible work is next where nothing else is there, or once its turn has come."""
        head, back = self._next(), self._choose(self._back)
        if back is None or self._background() or (head is not None and head.priority == 0):
            return head
        if self._state.account.is_due(resident=self._models[back.model].is_resident):
            return back
        return head if head is not None or self._computing or self._disturbs(back.model) else back

    def _disturbs(self, key: Model) -> bool:
        """Whether a model that somebody used a while ago had to leave, though nothing is owed."""
        model = self._models[key]
        if model.phase is not Phase.ABSENT:
            return False
        victims = self._memory.evictions(model)
        return victims is None or self._memory.was_used_within(RELOAD_SLICE_S, victims)

    def _makes_all_room(self, key: Model) -> bool:
        """Whether a model that ran out of memory has to wait for others that leave for it."""
        model = self._models[key]
        victims = self._memory.evictions(model) if model.cramped else []
        self._evict(victims or ())
        return victims != []

    def _run(self, head: Head) -> None:
        self._slots -= 1
        self._begun.add(head.model)
        self._memory.use(head.model)
        self.actions.append(Run(head))

    def _bring(self, key: Model) -> bool:
        """One step towards having the model; False where it has to wait for work to end."""
        model = self._models[key]
        if model.phase is not Phase.ABSENT or not self._memory.may_load:
            return True
        victims = self._memory.evictions(model)
        if victims is None:
            return False
        self._evict(victims)
        if not victims:
            self._load(key)
        return True

    def _is_ready(self, key: Model) -> bool:
        model = self._models[key]
        is_there = model.phase is Phase.READY and key in self._memory.residents
        is_free = key not in self._begun and key not in self._ended
        return is_there and is_free and not (model.cramped and self._memory.is_coming_back)

    # 6.

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
                self.actions.append(self._joining(first, self._models[key]))

    def _joining(self, head: Head, model: ModelState) -> Join:
        """Where more wait than there is room for, they come in groups, unless jobs seldom end.

        A request that is in step with others costs less than one that came by itself: all of them wait less.
        """
        assert model.run is not None
        may_wait = not self._is_pressing(head) and self._now - model.run.joined_at < GROUP_WAIT_S
        return Join(head, model.room, if_all=may_wait and model.room < GROUP_SHARE * model.max_batch)

    def _background_is_due(self) -> bool:
        waits = [model for model in self._background() if model.phase is Phase.PAUSED]
        account = self._state.account
        if waits:
            return account.is_due(resident=True)
        return any(account.is_due(resident=self._models[head.model].is_resident) for head in self._back)

    # 7. and 8.

    def load_beside(self) -> None:
        """With no job in hand or waiting, the first that is wanted is made room for."""
        for key in dict.fromkeys(self._needed()):
            model = self._models[key]
            if model.phase is Phase.ABSENT and key not in self._ended and self._memory.has_room(model):
                self._load(key)
        wanted = [key for key, model in self._models.items() if model.wanted and key not in self._ended]
        if wanted and not (self._front or self._begun or self._computing):
            self._bring(wanted[0])

    def evict_idle(self) -> None:
        self._evict(self._memory.idle({head.model for head in self._front + self._back}))

    # what they share

    def _load(self, key: Model) -> None:
        if key not in self._memory.residents:
            self._memory.load(self._models[key])
            self.actions.append(Load(key))

    def _evict(self, victims: Iterable[Model]) -> None:
        for victim in victims:
            self._memory.evict(victim)
            self.actions.append(Evict(victim))

    def _needed(self) -> list[Model]:
        """The models that jobs wait for, those of the oldest first, then those that are wanted."""
        waiting = [head.model for head in sorted(self._front + self._back, key=lambda head: head.seq)]
        return waiting + [key for key, model in self._models.items() if model.wanted]

    def _next(self) -> Head | None:
        return self._choose(self._front)

    def _choose(self, heads: Sequence[Head]) -> Head | None:
        since = {key: model.loaded_at for key, model in self._models.items() if key in self._memory.residents}
        affinity = Affinity(since, self._state.application_id)
        return choose(heads, affinity, self._now, self._limits.max_wait_s)

    def _is_pressing(self, head: Head) -> bool:
        return is_pressing(head, self._now, self._limits.max_wait_s)

    def _is_ended(self, model: ModelState) -> bool:
        return model.key in self._ended


def _may_join(head: Head, model: ModelState) -> bool:
    """A job that was tried already is tried alone."""
    run = model.run
    assert run is not None
    shared = head.batch_key is not None and head.batch_key == run.batch_key
    return head.model == model.key and shared and head.attempt == 0
