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
from servers.engine.models import ModelState, Phase
from servers.engine.news import News
from servers.engine.process import Runner
from servers.engine.runs import Run, Runs
from servers.engine.scheduler import Model
from servers.engine.time_limits import exceeded
from servers.errors import BackendFailed, SkylarkError
from servers.jobs.store import Store
from servers.runner.wire import Asked, Message
from servers.speech import Segment, Word

MODELS = "models"
"""The topic of the news about what is loaded."""


class RunnerEvents:
    """`hear` is called by the runners' listening threads, everything else on the loop's."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        runs: Runs,
        news: News,
        inbox: Inbox,
        max_attempts: int,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._fleet, self._runs = store, fleet, runs
        self._news, self._inbox = news, inbox
        self._max_attempts, self._clock = max_attempts, clock

    # on the runner's listening thread

    def hear(self, runner: Runner, message: Message, payload: bytes) -> None:
        """What takes long is done here, so that the loop does not wait."""
        op = message["op"]
        if op == "beat":
            return
        if op in ("chunk", "progress", "segment", "result"):
            run = self._run_of(runner, message["run"])
            if run is None or message["index"] not in run.jobs:
                return  # of a job that was cancelled
            decide = self._keep(run, message, payload)
            if decide is None:
                return
            message = decide
        self._inbox.put(partial(self._handle, runner, message))

    def _run_of(self, runner: Runner, number: int) -> Run | None:
        model = self._fleet.of(runner)
        run = model.run if model is not None else None
        return run if run is not None and run.number == number else None

    def _keep(self, run: Run, message: Message, payload: bytes) -> Message | None:
        """Keeps what one request has come to; the message that the loop has to decide on, if there is one."""
        index = message["index"]
        try:
            match message["op"]:
                case "chunk":
                    words = [Word(**word) for word in message.get("words", ())]
                    self._runs.record(run, index, payload, message["sample_rate"], words)
                case "progress":
                    self._runs.set_progress(run, index, message["fraction"], message.get("details"))
                case "segment":
                    self._runs.heard(run, index, Segment.model_validate(message["segment"]))
                case "result":
                    return message | {"result": self._runs.keep(run, index, message["result"])}
            return None
        except SkylarkError as error:
            return {"op": "error", "run": run.number, "index": index, "error": error.to_dict()}

    # on the loop's thread

    def _handle(self, runner: Runner, message: Message) -> None:
        model = self._fleet.of(runner)
        if model is None:
            return
        if message["op"] == "gone":
            self._handle_gone(model)
        elif model.phase is Phase.LEAVING:
            return  # whatever it still says is in vain
        elif message["op"] == "ready":
            self._fleet.loaded(model, About.model_validate(message["about"]))
            self._news.publish(MODELS)
        elif message["op"] == "failed":
            self._handle_load_failed(model, SkylarkError.from_dict(message["error"]))
        elif model.run is not None and model.run.number == message["run"]:
            self._handle_run(model, model.run, message)

    def _handle_load_failed(self, model: ModelState, error: SkylarkError) -> None:
        if not self._fleet.load_failed(model, error):
            self._inbox.put(partial(self.give_up, model.key, error))  # apart, as below

    def _handle_gone(self, model: ModelState) -> None:
        if model.run is not None:
            self._runs.lost(model.run)
        error = self._fleet.gone(model)
        self._news.publish(MODELS)
        if error is not None:  # apart, for it alone is repeated while the disk is full
            self._inbox.put(partial(self.give_up, model.key, error))

    def give_up(self, key: Model, error: SkylarkError) -> None:
        """The jobs of a model that cannot be loaded fail, with the reason."""
        self._news.publish(MODELS)
        for job_id in self._store.fail_queued(key, error, self._clock()):
            self._news.tell(job_id)

    def _handle_run(self, model: ModelState, run: Run, message: Message) -> None:
        match message["op"]:
            case "end":
                self._handle_end(model, run, message["taken"])
            case "paused":
                self._fleet.paused(model)
            case "broken":
                self._handle_broken(model, run, message)
            case _ if message["index"] in run.jobs:
                self._handle_request(model, run, message)

    def _handle_request(self, model: ModelState, run: Run, message: Message) -> None:
        index: int = message["index"]
        match message["op"]:
            case "result":
                self._runs.result(run, index, message["result"])
            case "saved" if run.asked is Asked.SAVE:
                self._runs.saved(run, index)
            case "saved":
                self._handle_error(model, run, index, BackendFailed("the model saved itself unasked"))
            case "error":
                self._handle_error(model, run, index, SkylarkError.from_dict(message["error"]))

    def _handle_end(self, model: ModelState, run: Run, taken: int) -> None:
        """The run has ended; jobs that were to join it and came too late are where they were."""
        self._runs.hand_back(run, since=taken)
        for index in sorted(run.jobs):
            self._runs.error(run, index, BackendFailed("the model ended without a result"))
        self._fleet.run_ended(model)

    def _handle_error(self, model: ModelState, run: Run, index: int, error: SkylarkError) -> None:
        first = run.jobs[index].attempt == 1
        if first and self._fleet.may_try_again(model, error):
            self._runs.try_again(run, index, error)
            model.cramped = True
        else:
            self._runs.error(run, index, error)
        self._stop_if_done(model, run)

    def _handle_broken(self, model: ModelState, run: Run, message: Message) -> None:
        """The model raised. One of a batch may have been to blame: each is tried once more, alone.

        So is a preemptible job, which goes on from what it saved.
        """
        self._runs.hand_back(run, since=message["taken"])
        error = SkylarkError.from_dict(message["error"])
        may_do_better = run.size > 1 or run.preemptible
        for index in sorted(run.jobs):
            if may_do_better and run.jobs[index].attempt < self._max_attempts:
                self._runs.try_again(run, index, error)
            else:
                self._handle_error(model, run, index, error)

    # what is called off

    def time_out(self, key: Model, index: int | None) -> None:
        """A job that is open alone has failed. Of several one is to blame: each is tried once more, alone."""
        model = self._fleet.models[key]
        run = model.run
        assert run is not None
        may_do_better = len(run.jobs) > 1
        for each in sorted(run.jobs) if index is None else [index]:
            error = exceeded(run.jobs[each])
            if may_do_better and run.jobs[each].attempt < self._max_attempts:
                self._runs.try_again(run, each, error)
            else:
                self._runs.error(run, each, error)
        if index is None:
            self._fleet.end(key, "time_limit")
        else:
            self._call_off(model, run, index)

    def cancel(self, job_id: str) -> None:
        found = self._fleet.run_of(job_id)
        if found is not None:
            model, run, index = found
            self._runs.cancel(run, index)
            self._call_off(model, run, index)
        elif self._store.cancel_queued(job_id, self._clock()):  # its runner was lost in the meantime
            self._news.tell(job_id)

    def _call_off(self, model: ModelState, run: Run, index: int) -> None:
        if run.jobs and model.runner is not None:
            model.runner.cancel(run, index)
        self._stop_if_done(model, run)

    def _stop_if_done(self, model: ModelState, run: Run) -> None:
        if not run.jobs and model.run is run:
            self._fleet.stop_run(model, run)
