"""The loop: one thread that hears what happened, plans what is next, and does it.

It alone changes what is known of the models and which runners there are. Other threads put calls into its
inbox.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from servers.backends.base import Backend, task_of
from servers.engine import actions
from servers.engine.background import Account
from servers.engine.fleet import Fleet
from servers.engine.housekeeping import Housekeeping
from servers.engine.inbox import Inbox
from servers.engine.models import ModelState
from servers.engine.news import News
from servers.engine.plan import State, plan
from servers.engine.runner_events import RunnerEvents
from servers.engine.runs import Runs
from servers.engine.scheduler import Model
from servers.errors import InvalidRequest, UnknownModel
from servers.jobs.job import Job
from servers.jobs.store import Head, Store
from servers.settings import Engine as Limits

log = logging.getLogger(__name__)


class Loop:
    """`clock` is the time of day in seconds, for jobs; `ticks` is a clock that never jumps, for runners."""

    def __init__(
        self,
        limits: Limits,
        store: Store,
        backends: Callable[[str], type[Backend]],
        fleet: Fleet,
        runs: Runs,
        events: RunnerEvents,
        housekeeping: Housekeeping,
        news: News,
        inbox: Inbox,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.draining = False
        self._limits, self._store, self._backends = limits, store, backends
        self._fleet, self._runs, self._events = fleet, runs, events
        self._housekeeping, self._news, self._inbox = housekeeping, news, inbox
        self._clock, self._ticks = clock, ticks
        self._application_id: str | None = None
        self._account = Account(limits.background_share)
        self._accounted_at = ticks()
        self._drain_until: float | None = None
        # not a daemon: the process stays until the jobs in hand have ended or are back in the queue
        self._thread = threading.Thread(target=self._live, name="loop", daemon=False)

    # what other threads may call

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is a new job."""
        self._inbox.wake()

    def excuse_silence(self) -> None:
        """A client asked for its job, and that could not be written."""
        self._housekeeping.unheard = True

    def cancel(self, job_id: str) -> None:
        """Stop the job if it runs."""
        self._inbox.put(partial(self._events.cancel, job_id))

    def models(self) -> dict[Model, ModelState]:
        """How the models are; copies that nobody changes."""
        return self._fleet.view()

    @property
    def keep_alive_s(self) -> float:
        return self._fleet.policy.keep_alive_s

    def do(self, change: Callable[[Fleet], None]) -> None:
        """Makes a change to the fleet on the loop's thread; returns when it is made.

        Raises EngineUnavailable when the loop does not come to it.
        """
        self._inbox.do(lambda: change(self._fleet))

    def drain(self) -> None:
        """Claim nothing more, let running jobs end within drain_s, then stop. Safe in a signal handler."""
        self.draining = self._inbox.stopping = True
        self._inbox.wake()

    # the loop itself

    def _live(self) -> None:
        try:
            self._inbox.persist(self._recover)
            while not self._news.closed:
                self._inbox.persist(self.step)
                self._inbox.attend()
        except Exception:
            # the store is the truth: a fresh engine recovers from it, a broken loop would serve nobody
            log.critical("the engine's loop failed", extra={"action": "engine_failed"}, exc_info=True)
            os._exit(1)

    def _recover(self) -> None:
        recovered = self._store.recover(self._clock(), self._limits.max_attempts)
        fields = {"action": "start", "device": self._fleet.device.name, "recovered": recovered}
        log.info("the engine starts", extra=fields)

    def step(self) -> None:
        """Plans and does what is next; what was heard has been seen to. May be repeated where it raises."""
        self._fleet.look()
        heads = [] if self.draining else self._heads()
        for action in plan(self._state(heads), heads, self._ticks()):
            self._do(action)
        if self.draining:
            self._wind_down()
        else:
            self._housekeeping.tidy()

    def _heads(self) -> list[Head]:
        """The queue's heads, their times in the clock of the models' times."""
        shift_s = self._ticks() - self._clock()
        heads = [replace(head, created_at=head.created_at + shift_s) for head in self._store.heads()]
        unknown = {head.model for head in heads} - self._fleet.models.keys()
        for model in unknown:  # it was taken out of models.yaml since
            name = "/".join(model)
            self._events.give_up(model, UnknownModel(f"there is no model {name!r} any more", param="model"))
        return [head for head in heads if head.model not in unknown]

    def _state(self, heads: Sequence[Head]) -> State:
        self._keep_account(heads)
        return State(
            models=self._fleet.models,
            policy=self._fleet.policy,
            limits=self._limits,
            application_id=self._application_id,
            account=self._account,
            draining=self.draining,
        )

    def _keep_account(self, heads: Sequence[Head]) -> None:
        now = self._ticks()
        models, computing = self._fleet.models.values(), self._fleet.computing()
        runs = any(model.is_background for model in computing)
        waits = any(model.is_background for model in models) or any(head.preemptible for head in heads)
        front = any(not head.preemptible for head in heads) or any(not m.is_background for m in computing)
        elapsed_s, self._accounted_at = now - self._accounted_at, now
        self._account = self._account.after(elapsed_s, waits=waits, runs=runs, alone=not front)

    def _do(self, action: actions.Action) -> None:
        match action:
            case actions.Load(model):
                if (error := self._fleet.load(model)) is not None:
                    self._do(actions.Fail(model, error))
            case actions.Evict(model):
                self._fleet.evict(model)
            case actions.Run(head):
                self._run(head)
            case actions.Join(head, room, if_all):
                self._join(head, room, if_all=if_all)
            case actions.Pause(model, save):
                self._fleet.pause(model, save=save)
            case actions.Resume(model):
                self._fleet.resume(model)
            case actions.End(model, reason):
                self._fleet.end(model, reason)
            case actions.TimeOut(model, index):
                self._events.time_out(model, index)
            case actions.Fail(model, error):
                self._fleet.give_up(model, error)
                self._events.give_up(model, error)

    def _run(self, head: Head) -> None:
        model = self._fleet.models[head.model]
        shared = head.batch_key is not None and head.attempt == 0 and not head.preemptible
        if head.preemptible:
            self._runs.prepare(head.id)
        jobs = self._claim(head, model.max_batch - 1 if shared else 0)
        if not jobs:
            return  # cancelled in this moment
        backend = self._backends(head.model[0])
        try:
            task = task_of(backend, jobs[0].payload)
        except InvalidRequest as error:  # it was accepted by another version of the backend
            self._runs.refuse(jobs, error)
            return
        run = self._runs.begin(task, jobs, backend, shared=shared, max_batch=model.max_batch)
        self._fleet.run(head.model, run, [self._runs.payload(run, job) for job in jobs])
        self._served(head, jobs, "run", "a runner was given jobs")

    def _join(self, head: Head, room: int, *, if_all: bool) -> None:
        run = self._fleet.models[head.model].run
        companions = self._store.companions(head, room)
        if if_all and len(companions) >= room:
            return
        jobs = self._store.claim([head.id, *companions[: room - 1]], self._clock())
        if not jobs or run is None:
            return  # cancelled in this moment
        self._runs.join(run, jobs)
        self._fleet.join(head.model, run, [job.payload for job in jobs])
        self._served(head, jobs, "join", "jobs join a batch")

    def _claim(self, head: Head, more: int) -> list[Job]:
        companions = self._store.companions(head, more) if more > 0 else []
        return self._store.claim([head.id, *companions], self._clock())

    def _served(self, head: Head, jobs: Sequence[Job], action: str, sentence: str) -> None:
        self._application_id = head.application_id
        fields = {"action": action, "model": "/".join(head.model), "jobs": [job.id for job in jobs]}
        log.info(sentence, extra=fields)

    def _wind_down(self) -> None:
        if self._drain_until is None:
            self._drain_until = self._ticks() + self._limits.drain_s
            log.info("the engine claims no more jobs", extra={"action": "drain"})
        running = [model for model in self._fleet.models.values() if model.run is not None]
        if running and self._ticks() < self._drain_until:
            return
        for model in running:
            assert model.run is not None
            self._runs.hand_back(model.run)
        self._fleet.end_all()
        self._news.close()
        log.info("the engine has stopped", extra={"action": "stop", "requeued_runs": len(running)})
