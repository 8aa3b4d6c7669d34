"""The loop: one thread that hears what happened, decides what is next, and does it.

It alone changes which runners exist and what they work on. Other threads put news into its inbox.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial

from servers.backends.base import default_task
from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.engine.device import Device
from servers.engine.fleet import Fleet
from servers.engine.hearing import Hearing
from servers.engine.housekeeping import Housekeeping
from servers.engine.inbox import Inbox
from servers.engine.runners import Runner
from servers.engine.runs import Runs
from servers.engine.scheduler import Affinity, Model, choose
from servers.errors import ModelLoadFailed, SkylarkError
from servers.jobs.bulletin import Bulletin
from servers.jobs.results import Results
from servers.jobs.store import Head, Store
from servers.runner.wire import Message
from servers.settings import Settings

log = logging.getLogger(__name__)


class Loop:
    """`clock` is the time of day in seconds, for jobs; `ticks` is a clock that never jumps, for runners."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        catalog: Catalog,
        device: Device,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bulletin = Bulletin()
        self.results = Results(settings.data_dir)
        self.runs = Runs(store, self.results, self.bulletin, settings.engine.max_attempts, clock)
        self.fleet = Fleet(settings, catalog, device, self._hear, ticks)
        self.draining = False
        self.ended = False
        self._settings, self._limits = settings, settings.engine
        self._store, self._device = store, device
        self._clock, self._ticks = clock, ticks
        self._application_id: str | None = None
        self._drain_until: float | None = None
        self._housekeeping = Housekeeping(settings, store, self.results, self.runs, clock)
        self._inbox = Inbox(stopping=lambda: self.draining)
        self._hearing = Hearing(
            settings, store, self.fleet, self.runs, self.bulletin, self._inbox, clock, ticks
        )
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
        self._inbox.put(partial(self._hearing.cancel, job_id))

    def do(self, change: Callable[[Fleet], None]) -> None:
        """Makes a change to the fleet on the loop's thread; returns when it is made.

        Raises EngineUnavailable when the loop does not come to it.
        """
        self._inbox.do(lambda: change(self.fleet))

    def drain(self) -> None:
        """Claim nothing more, let running jobs end within drain_s, then stop. Safe in a signal handler."""
        self.draining = True
        self._inbox.wake()

    # the loop itself

    def _live(self) -> None:
        try:
            self._inbox.persist(self._recover)
            while not self.ended:
                self._inbox.persist(self.step)
                self._inbox.attend()
        except Exception:
            # the store is the truth: a fresh engine recovers from it, a broken loop would serve nobody
            log.critical("the engine's loop failed", extra={"action": "engine_failed"}, exc_info=True)
            os._exit(1)

    def _recover(self) -> None:
        recovered = self._store.recover(self._clock(), self._limits.max_attempts)
        fields = {"action": "start", "device": self._device.name, "recovered": recovered}
        log.info("the engine starts", extra=fields)

    def step(self) -> None:
        self.fleet.watch()
        if self.draining:
            self._wind_down()
        else:
            self._take_turn()
            self.fleet.evict_idle()
            self._housekeeping.tidy()

    def _take_turn(self) -> None:
        """One model computes at a time.

        Where there is room, a model that jobs wait for is loaded beside the others, however busy they are:
        affinity alone would keep it out for max_wait_s. While a model loads, the jobs of those that are
        ready go on, unless the one that waits is urgent.
        """
        if self.fleet.computing():
            return
        heads = self._store.heads()
        head = self._choose(heads)
        if head is None:
            self._load_wanted()
            return
        needed = [h.model for h in sorted(heads, key=lambda h: h.seq)] + self.fleet.wanted
        for model in dict.fromkeys(needed):
            self._load(model, self.fleet.load_if_room)
        ready = self.fleet.ready()
        if head.model in ready:
            self._run(head)
        elif head.model not in self.fleet.resident():
            self._make_resident(head.model)
        elif head.priority != 0 and (other := self._choose([h for h in heads if h.model in ready])):
            self._run(other)

    def _load_wanted(self) -> None:
        self.fleet.wanted = [model for model in self.fleet.wanted if model not in self.fleet.resident()]
        for model in self.fleet.wanted[:1]:
            self._make_resident(model)

    def _make_resident(self, model: Model) -> None:
        self._load(model, self.fleet.make_resident)

    def _load(self, model: Model, load: Callable[[Model], None]) -> None:
        """Jobs of a model that cannot even be begun to be loaded fail, with the reason."""
        try:
            load(model)
        except SkylarkError as error:
            self.fleet.remember_failure(model, error)
            self._hearing.give_up(model, error)
        except OSError as error:
            reason = f"a runner for {'/'.join(model)} cannot be started: {error.strerror}: {error.filename}"
            self.fleet.remember_failure(model, ModelLoadFailed(reason))
            self._hearing.give_up(model, ModelLoadFailed(reason))

    def _choose(self, heads: list[Head]) -> Head | None:
        now = self._clock()
        since = {model: now - age_s for model, age_s in self.fleet.ages_s().items()}
        affinity = Affinity(since, self._application_id)
        return choose(heads, affinity, now, self._limits.max_wait_s)

    def _run(self, head: Head) -> None:
        runner = self.fleet.runners[head.model]
        backend = backend_class(head.model[0], self._settings.backends_path)
        most = backend.batch_limit(backend.options.model_validate(runner.spec.options))
        shared = most > 1 and head.batch_key is not None and head.attempt == 0
        companions = self._store.companions(head, most - 1) if shared else []
        jobs = self._store.claim([head.id, *companions], self._clock())
        if not jobs:
            return  # cancelled in this moment
        run = self.runs.begin(jobs[0].payload.get("task", default_task(backend)), jobs)
        self._application_id = head.application_id
        runner.used_at = self._ticks()
        runner.start(run, [job.payload for job in jobs])
        fields = {"action": "run", "model": runner.name, "jobs": [job.id for job in jobs]}
        log.info("a runner was given jobs", extra=fields)

    def _hear(self, runner: Runner, message: Message, payload: bytes) -> None:
        self._hearing.hear(runner, message, payload)

    def _wind_down(self) -> None:
        if self._drain_until is None:
            self._drain_until = self._ticks() + self._limits.drain_s
            log.info("the engine claims no more jobs", extra={"action": "drain"})
        running = self.fleet.computing()
        if running and self._ticks() < self._drain_until:
            return
        for runner in running:
            assert runner.run is not None
            self.runs.hand_back(runner.run)
        self.fleet.end_all()
        self.ended = True
        self.bulletin.publish_all()
        log.info("the engine has stopped", extra={"action": "stop", "requeued_runs": len(running)})
