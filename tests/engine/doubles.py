"""What the engine's tests put in place of processes and of time: declared as such."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from servers.backends.base import About, Backend, Options, Resumable
from servers.catalog import Catalog, Entry, Model
from servers.engine.device import Device
from servers.engine.fleet import Fleet
from servers.engine.housekeeping import Housekeeping
from servers.engine.inbox import Inbox
from servers.engine.loop import Loop
from servers.engine.models import ModelState, Phase
from servers.engine.news import News
from servers.engine.playback import Playback
from servers.engine.runner_events import RunnerEvents
from servers.engine.runs import Run, Runs
from servers.engine.service import Service
from servers.engine.submission import Caller, JobFactory, Submission
from servers.errors import SkylarkError
from servers.jobs.job import Job, Status
from servers.jobs.results import Results
from servers.jobs.saves import Saves
from servers.jobs.store import Head, Store
from servers.settings import Engine, Settings
from servers.speech import ModelSpec, TranscribeRequest, Utterance

NOW = 1000.0
A, B, C = ("toy", "a"), ("toy", "b"), ("toy", "c")
KEY = "synthesize//"
"""The batch key of every job of Toy that may share the model."""
LIMIT_S = 1000.0
"""How long a job of Toy may compute, unless it is preemptible."""


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


# for plan: models as they might be


def model(key: tuple[str, str] = A, phase: Phase = Phase.ABSENT, **fields: Any) -> ModelState:
    spec = ModelSpec(backend=key[0], name=key[1], vram_mb=fields.pop("vram_mb", 0))
    times = dict.fromkeys(("started_at", "loaded_at", "used_at"), NOW - 100) | {"heard_at": NOW}
    return ModelState(spec, **{"max_batch": 4, "phase": phase} | times | fields)


def busy(key: tuple[str, str] = A, jobs: int = 1, phase: Phase = Phase.RUNNING, **fields: Any) -> ModelState:
    """A model with that many jobs in hand, given to it at `joined_at`; the other fields are the run's."""
    of_model = {name: fields.pop(name) for name in ("vram_mb", "heard_at", "max_batch") if name in fields}
    run = Run("synthesize", **{"batch_key": KEY, "takes_arrivals": True, "joined_at": NOW - 0.5} | fields)
    run.jobs.update({index: a_job(time_limit_s=LIMIT_S) for index in range(jobs)})
    run.size = jobs
    run.time_left.begin(run.jobs, 4, run.joined_at)
    return model(key, phase, run=run, **of_model)


def head(key: tuple[str, str] = A, seq: int = 1, waited_s: float = 1.0, **fields: Any) -> Head:
    return Head(
        **{
            "id": str(seq),
            "seq": seq,
            "model": key,
            "application_id": "default",
            "priority": 10,
            "created_at": NOW - waited_s,
            "attempt": 0,
            "batch_key": KEY,
        }
        | fields
    )


def a_job(**fields: Any) -> Job:
    return Job(**{"id": str(uuid.uuid4()), "model_type": "toy", "model": "a"} | fields)


# for the loop: everything but the processes


class ToyOptions(Options):
    max_batch: int = 4


class Training(Resumable):
    task: str = "train"
    steps: int = Field(default=10, ge=1)


class Toy(Backend):
    """No model at all: its runners are `ToyRunner`s, and say what a test has them say."""

    requests: ClassVar = {"synthesize": Utterance, "transcribe": TranscribeRequest, "train": Training}
    options = ToyOptions
    takes_arrivals: ClassVar = frozenset({"synthesize"})
    preemptible: ClassVar = frozenset({"train"})

    @classmethod
    def batch_limit(cls, options: ToyOptions) -> int:
        return options.max_batch


class ToyRunner:
    """A Runner without a process: it keeps what it is told."""

    def __init__(self, spec: ModelSpec, pid: int, now: float) -> None:
        self.spec, self.pid, self.heard_at = spec, pid, now
        self.told: list[tuple[Any, ...]] = []
        self.is_killed = False

    def run(self, run: Run, payloads: Sequence[dict[str, Any]]) -> None:
        self.told.append(("run", run.number, list(payloads)))

    def join(self, run: Run, payloads: Sequence[dict[str, Any]]) -> None:
        self.told.append(("join", run.number, list(payloads)))

    def cancel(self, run: Run, index: int | None = None) -> None:
        self.told.append(("cancel", run.number, index))

    def pause(self, run: Run) -> None:
        self.told.append(("pause", run.number))

    def save(self, run: Run) -> None:
        self.told.append(("save", run.number))

    def resume(self, run: Run) -> None:
        self.told.append(("resume", run.number))

    def kill(self) -> None:
        self.is_killed = True

    def wait_ended(self) -> None:
        assert self.is_killed

    @property
    def orders(self) -> list[str]:
        return [told[0] for told in self.told]


class Rig:
    """A whole engine without processes, threads or time: `step` is one turn of its loop."""

    def __init__(self, folder: Path, models: dict[str, dict[str, Any]] | None = None, **limits: Any) -> None:
        self.clock, self.ticks = Clock(50_000.0), Clock()
        self.runners: list[ToyRunner] = []
        self.cannot_start: OSError | None = None
        entry = Entry(
            default="a",
            models={name: Model(**fields) for name, fields in (models or {"a": {}, "b": {}}).items()},
        )
        self.catalog = Catalog({"toy": entry})
        self.limits = Engine(**{"min_residency_s": 0, "keep_alive_s": 0} | limits)
        settings = Settings(data_dir=folder, engine=self.limits)
        self.store = Store(f"sqlite:///{folder}/jobs.sqlite3")
        self.news, self.inbox = News(self.ticks), Inbox()
        self.results, self.saves = Results(folder), Saves(folder)
        self.runs = Runs(
            self.store,
            self.results,
            self.saves,
            self.news,
            self.limits.max_attempts,
            self.clock,
            self.ticks,
        )
        self.fleet = Fleet(self.catalog, lambda _: Toy, self.limits, Device("cpu"), self._start, self.ticks)
        self.events = RunnerEvents(
            self.store, self.fleet, self.runs, self.news, self.inbox, self.limits.max_attempts, self.clock
        )
        self.housekeeping = Housekeeping(
            settings, self.store, self.results, self.saves, self.news, self.clock
        )
        self.loop = Loop(
            self.limits,
            self.store,
            lambda _: Toy,
            self.fleet,
            self.runs,
            self.events,
            self.housekeeping,
            self.news,
            self.inbox,
            clock=self.clock,
            ticks=self.ticks,
        )
        self.service = Service(
            _ToyFactory(settings, self.catalog),
            self.store,
            self.loop,
            self.runs.live,
            self.news,
            self.limits,
            Device("cpu"),
            clock=self.clock,
            ticks=self.ticks,
        )
        self.playback = Playback(self.service.get, self.runs.live, self.results, self.news)

    def close(self) -> None:
        for live in self.runs.live.values():
            if live.audio is not None:
                live.audio.abandon()
        self.store.close()

    def _start(self, spec: ModelSpec) -> ToyRunner:
        if self.cannot_start is not None:
            raise self.cannot_start
        self.runners.append(ToyRunner(spec, len(self.runners), self.ticks()))
        return self.runners[-1]

    def submit(self, text: str = "hi", model: str = "a", **fields: Any) -> str:
        payload = fields.pop("payload", {"text": text})
        submission = Submission(model_type="toy", model=model, payload=payload, **fields)
        (job_id,) = self.service.submit([submission], Caller())
        return job_id

    def train(self, **fields: Any) -> str:
        return self.submit(payload={"task": "train"}, **fields)

    def step(self, seconds: float = 0.0) -> None:
        """Time passes; then everything that was heard is seen to, and what is next is done."""
        self.clock.now += seconds
        self.ticks.now += seconds
        for runner in self.runners:
            runner.heard_at = self.ticks()
        self.inbox.wake()
        self.inbox.attend()
        self.loop.step()

    def say(self, runner: ToyRunner, op: str, payload: bytes = b"", **fields: Any) -> None:
        """The runner says something, and the engine takes its turn."""
        self.events.hear(runner, {"op": op, **fields}, payload)
        self.step()

    def ready(self, runner: ToyRunner) -> ToyRunner:
        self.say(runner, "ready", about=About().model_dump(mode="json"))
        return runner

    def loaded(self, model: str = "a") -> ToyRunner:
        """A runner of the model that has just been loaded."""
        self.fleet.want(("toy", model))
        self.step()
        return self.ready(self.runner(model))

    def runner(self, model: str = "a") -> ToyRunner:
        return [each for each in self.runners if each.spec.name == model and not each.is_killed][-1]

    def run(self, model: str = "a") -> Run:
        run = self.fleet.models["toy", model].run
        assert run is not None
        return run

    def speak(self, runner: ToyRunner, index: int = 0, pcm: bytes = b"\1\0" * 100, **fields: Any) -> None:
        self.say(runner, "chunk", pcm, run=self._number(runner), index=index, sample_rate=16_000, **fields)

    def finish(self, runner: ToyRunner, *indexes: int) -> None:
        """Speaks and ends the jobs at these indexes of the runner's run."""
        for index in indexes:
            self.speak(runner, index)
            self.say(runner, "result", run=self._number(runner), index=index, result={"words": []})

    def end(self, runner: ToyRunner, taken: int | None = None) -> None:
        """The runner says that its run is over."""
        run = self.run(runner.spec.name)
        self.say(runner, "end", run=run.number, taken=run.size if taken is None else taken)

    def fail(self, runner: ToyRunner, error: SkylarkError, index: int = 0) -> None:
        self.say(runner, "error", run=self._number(runner), index=index, error=error.to_dict())

    def _number(self, runner: ToyRunner) -> int:
        return self.run(runner.spec.name).number

    def job(self, job_id: str) -> Job:
        job = self.store.get(job_id)
        assert job is not None
        return job

    def status(self, *job_ids: str) -> list[str]:
        return [self.job(job_id).status.value for job_id in job_ids]

    def phase(self, model: str = "a") -> Phase:
        return self.fleet.models["toy", model].phase

    def waits(self) -> int:
        return self.store.count(Status.QUEUED)


class _ToyFactory(JobFactory):
    """Knows Toy, which is in no file."""

    def job(self, submission: Submission, caller: Caller, now: float) -> Job:
        task = submission.payload.get("task", "synthesize")
        return Job(
            id=str(uuid.uuid4()),
            model_type="toy",
            model=submission.model or "a",
            application_id=submission.application_id,
            priority=submission.priority,
            created_at=now,
            last_heartbeat=now,
            payload={"task": task, **submission.payload},
            batch_key=None if submission.batch_key == "" or task == "train" else KEY,
            owner=caller.owner,
            expires=submission.expires,
            preemptible=task == "train",
            time_limit_s=None if task == "train" else LIMIT_S,
        )
