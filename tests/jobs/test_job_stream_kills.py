"""Whatever the engine is made to break off, nobody gets a sample twice, none or of two attempts."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.catalog import EXAMPLE, Catalog
from servers.errors import EngineUnavailable
from servers.jobs.client import AnswerLost, JobsClient
from servers.jobs.request import Done, Item, Requester
from servers.jobs.requests import QueueOptions, Requests
from servers.jobs.stream_events import Accepted, AudioChunk, Ended, Position, Waiting
from servers.settings import Limits, Tts
from servers.speech import Chunk
from tests.jobs.stand_in_engine import NO_VOICES, Event, ended

JOBS, SAMPLES = 3, 6
Kill = tuple[int, bool]
"""After how many events the engine is killed, and whether the job that it was at is begun again."""
KILLS = st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=12)


class KilledEngine(JobsClient):
    """The audio of a job is its index, its attempt and then 0, 1, 2 …, in chunks of two samples."""

    def __init__(self, kills: Sequence[Kill]) -> None:
        self._kills = list(kills)
        self._attempts = [1] * JOBS
        self._ended: set[int] = set()

    def stream(
        self,
        jobs: Sequence[dict[str, Any]],
        *,
        owner: str | None = None,
        after: Sequence[Position | None] = (),
        live: bool = True,
        segments: bool = False,
    ) -> Generator[Event, None, None]:
        events, again = self._kills.pop(0) if self._kills else (1000, False)
        asked = [int(job["payload"]["text"]) for job in jobs]
        yield Accepted(tuple(map(str, asked)))
        for index, job in enumerate(asked):
            for event in self._events(index, job, after[index] if after else None):
                if events == 0:
                    self._attempts[job] += again and job not in self._ended
                    raise AnswerLost("killed")
                events -= 1
                yield event

    def audio_of(self, job: int) -> list[int]:
        """What the job's last attempt has made."""
        return [job * 1000 + self._attempts[job] * 50 + sample for sample in range(SAMPLES)]

    def cancel(self, job_id: str) -> None:
        pass

    def _events(self, index: int, job: int, has: Position | None) -> Generator[Event, None, None]:
        attempt = self._attempts[job]
        for start in range(has.samples if has and has.attempt == attempt else 0, SAMPLES, 2):
            pcm = np.array(self.audio_of(job)[start : start + 2], dtype="<i2").tobytes()
            yield AudioChunk(index, attempt, start, 8000, pcm)
            yield Waiting()
        self._ended.add(job)
        yield Ended(index, ended(str(job), {"samples": SAMPLES}))


def asked_of(engine: JobsClient) -> Any:
    requests = Requests(
        engine,
        Catalog.load(EXAMPLE),
        Tts(model_type="espeak"),
        Limits(),
        NO_VOICES,
        clock=lambda: 0.0,
        pause=lambda _seconds: None,
    )
    items = [Item({"text": str(index)}) for index in range(JOBS)]
    return requests.submit(QueueOptions(), items, Requester())


@given(kills=KILLS)
def test_whoever_collects_gets_the_audio_of_one_attempt_whole(kills: list[Kill]) -> None:
    engine = KilledEngine(kills)
    with asked_of(engine) as request:
        for job, outcome in enumerate(request.outcomes()):
            assert isinstance(outcome, Done)
            assert np.frombuffer(outcome.pcm.read(), "<i2").tolist() == engine.audio_of(job)
    assert job == JOBS - 1


@given(kills=KILLS)
def test_a_listener_gets_the_audio_of_one_attempt_whole_or_an_error(kills: list[Kill]) -> None:
    engine = KilledEngine(kills)
    heard: list[list[int]] = [[] for _ in range(JOBS)]
    failure = None
    with asked_of(engine) as request:
        try:
            for index, what in request.stream():
                if isinstance(what, Chunk):
                    heard[index] += what.samples.tolist()
        except EngineUnavailable as error:
            failure = error.message
    if failure is None:
        assert heard == [engine.audio_of(job) for job in range(JOBS)]
    else:
        assert "begun again" in failure
        assert any(again for _events, again in kills)
        for samples in filter(None, heard):
            assert samples == list(range(samples[0], samples[0] + len(samples)))


def test_the_engine_of_these_tests_is_killed() -> None:
    engine = KilledEngine([(0, True), (1, True)])
    with asked_of(engine) as request, pytest.raises(EngineUnavailable, match="begun again"):
        list(request.stream())
