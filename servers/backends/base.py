"""The contract between a runner and a model.

A runner process makes one backend, calls `load` once, and then one task's generator at a time, from one
thread, until the process ends; ending the process is how the model is unloaded. A backend knows nothing
of HTTP, queues, storage or other backends, and it invents nothing: an unknown voice is `UnknownVoice`,
which lists some that exist.

A task's generator takes a batch of requests and yields `(index, item)`, index being the request's place
in the batch, in any order between requests. For each index it yields any number of `Chunk`, `Progress` or
`Segment` and then exactly one result or error:

    synthesize   Utterance → Chunk …, then Speech
    transcribe   TranscribeRequest → Progress, Segment …, then Transcript
    align        AlignRequest → Progress …, then Alignment with one word for each word of the text
    train        a Resumable of the backend's own → Progress …, then a result of its own, or Saved

A model that knows a segment of a transcript before it has heard all yields it then: the first ones of the
transcript, each once, in order, and as it will have them, but for who speaks. It need not yield any.

An error that concerns one request is yielded (a SkylarkError) and leaves the others alone; whatever is
raised fails the whole batch. Closing the generator cancels the work within one chunk: what it holds is
released in `finally`. A generator yields often (each chunk, each stretch of speech), for it can only be
cancelled where it yields.

A task may be able to do one of two things more, and is then given one argument more:

    takes_arrivals   `arrivals`: the batch grows while it runs. The generator asks it between two steps, and
                     once more when nothing is left to do: it ends where nothing came.
    preemptible      `steps`: the work is long, and waits or leaves for others. Before each step it asks
                     `steps.go_on()`; where that is false it saves what it did, yields `Saved` and ends.

What concerns a request whatever the model, a runner has seen to before a backend has it: a text is not empty,
nor SSML.

Modules of backends import their model library inside `load`, never at the top: the engine reads the class
attributes here without loading anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from servers.errors import InvalidRequest, SkylarkError
from servers.speech import (
    AlignRequest,
    Chunk,
    ModelSpec,
    Noun,
    Progress,
    Segment,
    Speech,
    TranscribeRequest,
    Transcript,
    Utterance,
    Voice,
)

SynthesisItems = Iterator[tuple[int, Chunk | Progress | Speech | SkylarkError]]
TranscriptItems = Iterator[tuple[int, Progress | Segment | Transcript | SkylarkError]]
Request = TypeVar("Request")
Item = TypeVar("Item")


SYNTHESIZE = "synthesize"
"""The task that makes audio."""
TRANSCRIBE = "transcribe"
"""The task whose segments are told as they are heard."""
SSML = re.compile(r"(<\?xml[^>]*>\s*)?<speak[\s/>]")
"""How a text begins that is markup."""


class Options(BaseModel):
    """What models.yaml may say about a model of this backend; an unknown key refuses to start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class About(Noun):
    """What a loaded model says of itself. `sample_rate` is in Hz, None where it makes no audio."""

    voices: tuple[Voice, ...] = ()
    languages: tuple[str, ...] = ()
    default_voice: str | None = None
    sample_rate: int | None = None
    device: str = "cpu"
    clones: bool = False
    """Whether it speaks with the voice of reference audio."""
    designs: bool = False
    """Whether `instruct` describes the voice that speaks, and has to."""


@dataclass(frozen=True)
class Description:
    """What is known of a model that is not loaded. `has_voice`: whether a name means one of its voices."""

    about: About
    has_voice: Callable[[str], bool] = lambda _: True


class Arrivals(Protocol):
    """What a generator that takes arrivals asks between two steps. None of it waits."""

    def joined(self) -> Sequence[Noun]:
        """The requests that came since it was last asked.

        Their indexes go on where those before them ended: the first arrival after a batch of 3 is index 3.
        """

    def cancelled(self) -> Collection[int]:
        """The indexes of requests that nobody waits for any more, each named once: nothing has to be yielded
        for them.
        """

    def notify(self, call: Callable[[], None]) -> None:
        """`call` is called, by another thread, when there is something new: for a generator that waits."""


class Resumable(Noun):
    """The payload of a preemptible task."""

    resume_from: Path | None = None
    """A folder that is the job's own: what an earlier run of it saved is there, and what this one saves.

    The engine names it, whatever a client sends. It is removed once the job has ended.
    """


class Steps(Protocol):
    """What a preemptible task's generator asks before each step."""

    def go_on(self) -> bool:
        """Waits while the run is paused; false once it is to save itself and end."""


class Saved(Noun):
    """The last word of a preemptible request that was told to leave: what it has done is in its folder.

    Unasked it is an error.
    """


class Backend:
    """One family of models. A subclass names its tasks in `requests` and writes their generators."""

    requests: ClassVar[Mapping[str, type[Noun]]] = {}
    """The tasks this backend can do, the default first, and the payload that each takes."""
    honours: ClassVar[frozenset[str]] = frozenset()
    """Which optional fields of the requests in servers/speech.py it acts on; those of its own it does anyway.

    The others are accepted all the same, for clients send them to every model, and change nothing: a job's
    result names those that were given in `ignored`.
    """
    options: ClassVar[type[Options]] = Options
    uses_gpu: ClassVar[bool] = True
    """Whether it computes on the device that it is given; else a CPU is all that it needs."""
    max_batch: ClassVar[int] = 1
    takes_arrivals: ClassVar[frozenset[str]] = frozenset()
    """The tasks whose running batch others may join."""
    preemptible: ClassVar[frozenset[str]] = frozenset()
    """The tasks that can stop at a step, be saved, and go on later: their payloads are Resumable."""

    @classmethod
    def batch_key(cls, request: Noun) -> str:  # noqa: ARG003 - a backend may look at it
        """Requests with the same key may be given together, up to the limit; all may, unless it says so."""
        return ""

    @classmethod
    def batch_limit(cls, options: Options) -> int:  # noqa: ARG003 - a backend may look at them
        """How many requests a model with these options is given together: `max_batch`, unless it says so."""
        return cls.max_batch

    @classmethod
    def check(cls, options: Options) -> None:
        """Raises MissingExtra or ModelLoadFailed for what a model with these options lacks, as far as that
        can be told at once: a package that is not installed, a checkpoint that was not pulled.

        `load` asks it first, for the import of a library takes seconds; and so does `skylark up`, of the
        models that it needs, before it starts anything.
        """

    @classmethod
    def describe(cls, options: Options) -> Description | None:  # noqa: ARG003 - a backend may look at them
        """A model with these options, told at once and without loading it; None where that cannot be done.

        A server that has several models to choose from asks it.

        Raises MissingExtra or ModelLoadFailed where `check` does.
        """
        return None

    def load(self, model: ModelSpec, device: str) -> About:
        """Make the model ready on `device` ("cpu", "cuda:0").

        Raises ModelLoadFailed, saying what is missing and which command mends it.
        """
        raise NotImplementedError

    def synthesize(self, utterances: Sequence[Utterance]) -> SynthesisItems:
        raise NotImplementedError

    def transcribe(self, recordings: Sequence[TranscribeRequest]) -> TranscriptItems:
        raise NotImplementedError

    def align(self, readings: Sequence[AlignRequest]) -> TranscriptItems:
        raise NotImplementedError

    def train(self, requests: Sequence[Any], steps: Steps) -> Iterator[tuple[int, Any]]:
        raise NotImplementedError

    def warm_up(self, text: str) -> None:
        """Called once after `load`: whatever makes the first request as fast as the second."""


def one_by_one(
    requests: Sequence[Request], serve: Callable[[Request], Iterable[Item]]
) -> Iterator[tuple[int, Item | SkylarkError]]:
    """What a task's generator yields where each request is served by itself: its items, or its error."""
    for index, request in enumerate(requests):
        try:
            for item in serve(request):
                yield index, item
        except SkylarkError as error:
            yield index, error


def default_task(backend: type[Backend]) -> str:
    return next(iter(backend.requests))


def task_of(backend: type[Backend], payload: Mapping[str, Any]) -> str:
    """Which of the backend's tasks a job's payload asks for. Raises InvalidRequest that lists them."""
    task = payload.get("task", default_task(backend))
    if not isinstance(task, str) or task not in backend.requests:
        known = ", ".join(backend.requests)
        raise InvalidRequest(f"task {task!r} is not one of {known}", param="payload.task")
    return task


def parse_payload(backend: type[Backend], payload: Mapping[str, Any]) -> Noun:
    """The typed request in a job's payload.

    Raises InvalidRequest naming the field and what is possible.
    """
    return backend.requests[task_of(backend, payload)].parse(payload, within="payload")


def ignored_fields(backend: type[Backend], task: str) -> frozenset[str]:
    """The optional fields of a task's request that the backend accepts and does not act on."""
    shared = next(kind for kind in backend.requests[task].__mro__ if kind.__module__ == Noun.__module__)
    assert issubclass(shared, Noun)
    optional = {name for name, field in shared.model_fields.items() if not field.is_required()}
    return frozenset(optional - backend.honours - {"task"})


def taken_up(backend: type[Backend], payload: Mapping[str, Any]) -> Noun:
    """`parse_payload` as a runner does it, once a job's turn has come.

    Raises InvalidRequest also for what is wrong with this one text and leaves the others of a batch alone.
    """
    request = parse_payload(backend, payload)
    text = getattr(request, "text", None)
    if text == "":
        raise InvalidRequest("the text is empty: there is nothing to say", param="text")
    if isinstance(request, Utterance) and SSML.match(request.text):
        message = "the text is SSML, whose marks would be read aloud; plain text is possible"
        raise InvalidRequest(message, param="text")
    return request
