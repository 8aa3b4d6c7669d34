"""What runners say, and what follows from it for their jobs and their models.

A runner's listening thread writes audio and result files itself, so that no chunk waits for a decision and
no decision for a file; everything else it says is put into the loop's inbox.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from servers.backends.base import About
from servers.engine.fleet import Fleet
from servers.engine.inbox import Inbox
from servers.engine.runners import Runner, State
from servers.engine.runs import Run, Runs
from servers.engine.scheduler import Model
from servers.errors import OutOfMemory, SkylarkError
from servers.jobs.bulletin import Bulletin
from servers.jobs.store import Store
from servers.runner.wire import Message
from servers.settings import Settings


class Hearing:
    """`hear` is called by the runners' listening threads, everything else on the loop's."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        fleet: Fleet,
        runs: Runs,
        bulletin: Bulletin,
        inbox: Inbox,
        clock: Callable[[], float],
        ticks: Callable[[], float],
    ) -> None:
        self._limits, self._store = settings.engine, store
        self._fleet, self._runs = fleet, runs
        self._bulletin, self._inbox = bulletin, inbox
        self._clock, self._ticks = clock, ticks

    def hear(self, runner: Runner, message: Message, payload: bytes) -> None:
        """On the runner's listening thread: what takes long is done here, so that the loop does not wait."""
        op, run = message["op"], runner.run
        if op == "beat":
            return
        if op in ("chunk", "result"):
            if run is None or run.number != message["run"] or message["index"] not in run.open:
                return  # of a job that was cancelled
            message = self._take_in(run, message, payload) or message
            if message["op"] == "chunk":
                return
        self._inbox.put(partial(self._heard, runner, message))

    def _take_in(self, run: Run, message: Message, payload: bytes) -> Message | None:
        """Keeps a chunk or a result; the message to go on with, None for the same."""
        about = {"run": run.number, "index": message["index"]}
        try:
            if message["op"] == "chunk":
                self._runs.record(run, message["index"], payload, message["sample_rate"])
                return None
            return about | {
                "op": "result",
                "result": self._runs.keep(run, message["index"], message["result"]),
            }
        except SkylarkError as error:
            return about | {"op": "error", "error": error.to_dict()}

    def _heard(self, runner: Runner, message: Message) -> None:
        op = message["op"]
        if op == "ready":
            self._fleet.loaded(runner, About.model_validate(message["about"]))
            self._bulletin.publish("models")
        elif op == "failed":
            self._heard_load_failed(runner, SkylarkError.from_dict(message["error"]))
        elif op == "gone":
            self._heard_gone(runner)
        elif runner.run is not None and runner.run.number == message["run"]:
            self._heard_of_run(runner, runner.run, message)

    def _heard_load_failed(self, runner: Runner, error: SkylarkError) -> None:
        if isinstance(error, OutOfMemory) and self._fleet.evict_others(runner.model):
            self._fleet.end(runner)  # the job still waits, and loads it once more
            return
        self._fleet.load_failed(runner, error)
        self.give_up(runner.model, error)

    def _heard_gone(self, runner: Runner) -> None:
        error = self._fleet.gone(runner)
        self._bulletin.publish("models")
        if error is not None:  # apart, for it alone is repeated while the disk is full
            self._inbox.put(partial(self.give_up, runner.model, error))
        if runner.run is not None:
            self._runs.lost(runner.run)

    def give_up(self, model: Model, error: SkylarkError) -> None:
        self._fleet.wanted = [wanted for wanted in self._fleet.wanted if wanted != model]
        self._bulletin.publish("models")
        for job_id in self._store.fail_queued(model, error, self._clock()):
            self._runs.tell(job_id)

    def _heard_of_run(self, runner: Runner, run: Run, message: Message) -> None:
        match message["op"]:
            case "end":
                self._runs.over(run)
                runner.run, runner.state, runner.used_at = None, State.READY, self._ticks()
            case "progress" if message["index"] in run.open:
                self._runs.set_progress(run, message["index"], message["fraction"])
            case "result" if message["index"] in run.open:
                self._runs.result(run, message["index"], message["result"])
            case "error":
                error = SkylarkError.from_dict(message["error"])
                self._heard_error(runner, run, message["index"], error)
            case "broken":
                self._heard_broken(runner, run, SkylarkError.from_dict(message["error"]))

    def _heard_error(self, runner: Runner, run: Run, index: int, error: SkylarkError) -> None:
        if index not in run.open:
            return
        first = run.jobs[index].attempt == 1
        if isinstance(error, OutOfMemory) and first and self._fleet.evict_others(runner.model):
            self._runs.try_again(run, index, error)
        else:
            self._runs.error(run, index, error)
        self._stop_if_done(runner, run)

    def _heard_broken(self, runner: Runner, run: Run, error: SkylarkError) -> None:
        """The model raised. One of a batch may have been to blame: each is tried once more, alone."""
        together = len(run.jobs) > 1
        for index in sorted(run.open):
            if together and run.jobs[index].attempt < self._limits.max_attempts:
                self._runs.try_again(run, index, error)
            else:
                self._heard_error(runner, run, index, error)

    # what is called off

    def cancel(self, job_id: str) -> None:
        for runner in self._fleet.computing():
            run = runner.run
            if run is not None and (index := run.index_of(job_id)) is not None:
                self._runs.cancel(run, index)
                self._stop_if_done(runner, run)
                return
        if self._store.cancel_queued(job_id, self._clock()):  # its runner was lost in the meantime
            self._runs.tell(job_id)

    def _stop_if_done(self, runner: Runner, run: Run) -> None:
        """A run that no job waits for any more is stopped; the runner has a grace to notice."""
        if not run.open and run.give_up_at is None:
            run.give_up_at = self._ticks() + self._limits.cancel_grace_s
            runner.cancel(run)
