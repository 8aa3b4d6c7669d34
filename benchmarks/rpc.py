"""The streaming worker: what it adds to the first audio, many sessions in real time, pauses, stops, leaks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import psutil

from benchmarks.figures import Figure, median, percentile
from servers.jobs.stream_events import AudioChunk
from servers.rpc import skylark_pb2 as wire
from servers.rpc.skylark_pb2_grpc import TTSStub
from tests.acceptance.processes import eventually
from tests.rpc.worker import CALL_S, Talk, Worker, running_worker

SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody in the village is surprised. "
FRAME_S = 0.02
ROUNDS, WARM_UP = 150, 15
AT_ONCE, SAID_S = 50, 20.0
CONTROLLED, FILLED = 20, 110
VOICE = "en"


def measure(sessions: int) -> list[Figure]:
    """All of it with one worker, of espeak-ng."""
    with running_worker(SKYLARK_RPC__MAX_CONCURRENT_SESSIONS="200") as worker:
        heard = worker.session(voice=VOICE)  # how loud the voice is, is measured once
        worker.stub.EndSession(wire.EndSessionRequest(session_id=heard))
        first = _first_frame(worker)
        return [*first, *_real_time(worker), *_controls(worker), *_leaks(worker, sessions)]


# the first frame


def _first_frame(worker: Worker) -> list[Figure]:
    """The engine's first chunk and the worker's first frame take turns."""
    engine: list[float] = []
    added: list[float] = []
    for number in range(WARM_UP + ROUNDS):
        text = f"Take {number}, {SENTENCE}"
        times = _first_chunk(worker, text), _frame(worker, text)
        if number >= WARM_UP:
            engine.append(times[0])
            added.append(times[1])
    over = median(added) - median(engine)
    return [
        Figure("first chunk at a client of the engine, median", median(engine), "ms"),
        Figure("first frame at a client of the worker, median", median(added), "ms"),
        Figure("first frame, added by the worker, median", over, "ms", 5),
    ]


def _first_chunk(worker: Worker, text: str) -> float:
    begun, first = time.perf_counter(), 0.0
    job = {"model_type": "espeak", "payload": {"text": text, "voice": VOICE}}
    for event in worker.engine.client.stream([job]):
        if isinstance(event, AudioChunk) and not first:
            first = time.perf_counter() - begun
    return 1000 * first


def _frame(worker: Worker, text: str) -> float:
    session = worker.session(voice=VOICE)
    talk = _Consumer(worker.stub, session, ahead_ms=0)
    begun = time.perf_counter()
    talk.say(text)
    first = next(talk.frames)
    taken = time.perf_counter() - begun
    for _ in talk.frames:
        pass
    assert first.number == 0
    worker.stub.EndSession(wire.EndSessionRequest(session_id=session))
    return 1000 * taken


class _Consumer:
    """A stream that is open before its one text is said."""

    def __init__(self, stub: TTSStub, session: str, ahead_ms: int | None = None) -> None:
        self._text, self._is_said = "", threading.Event()
        self._call = stub.Synthesize(self._said(session, ahead_ms), timeout=10 * CALL_S)
        next(self._call)  # opened
        self.frames: Iterator[wire.Frame] = (told.frame for told in self._call)

    def say(self, text: str) -> None:
        self._text = text
        self._is_said.set()

    def _said(self, session: str, ahead_ms: int | None) -> Iterator[wire.SynthesizeRequest]:
        yield wire.SynthesizeRequest(opening=wire.Opening(session_id=session, ahead_ms=ahead_ms))
        self._is_said.wait(CALL_S)
        yield wire.SynthesizeRequest(text=wire.Text(text=self._text))


# in real time


def _real_time(worker: Worker) -> list[Figure]:
    """Each client has a channel of its own, and hears SAID_S of speech at least; a frame is late by how much
    after its time, as the first one's and 20 ms for each, it came.
    """
    heard = asyncio.run(_listen_all(worker.port, SENTENCE * 8))
    late = [each for lateness, _ in heard for each in lateness]
    frames = [len(lateness) for lateness, _ in heard]
    assert min(frames) * FRAME_S >= SAID_S, f"only {min(frames)} frames"
    return [
        Figure(f"{AT_ONCE} sessions at once, audio of each", min(frames) * FRAME_S, "s"),
        Figure(
            "their first frames after their texts, p99", percentile([wait for _, wait in heard], 99), "ms"
        ),
        Figure("a frame after its time, p99", percentile(late, 99), "ms", 40),
        Figure("a frame after its time, most", max(late), "ms"),
    ]


async def _listen_all(port: int, text: str) -> list[tuple[list[float], float]]:
    """In one thread: the clients are on the same two cores as the worker."""
    return await asyncio.gather(*(_listen(port, number, text) for number in range(AT_ONCE)))


async def _listen(port: int, number: int, text: str) -> tuple[list[float], float]:
    """How late each frame was, and how long the first one took, in ms."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        stub = TTSStub(channel)
        started = await stub.StartSession(wire.StartSessionRequest(voice=VOICE), timeout=CALL_S)
        session = started.session_id
        await asyncio.sleep(1 + number * 0.02)  # as clients come: not in one instant
        said_at = time.perf_counter()
        said = [
            wire.SynthesizeRequest(opening=wire.Opening(session_id=session)),
            wire.SynthesizeRequest(text=wire.Text(text=text)),
        ]
        responses = stub.Synthesize(iter(said), timeout=10 * CALL_S)
        came = [time.perf_counter() async for told in responses if told.HasField("frame")]
        await stub.EndSession(wire.EndSessionRequest(session_id=session))
    late = [1000 * max(0.0, at - came[0] - index * FRAME_S) for index, at in enumerate(came)]
    return late, 1000 * (came[0] - said_at)


# PAUSE and STOP


def _controls(worker: Worker) -> list[Figure]:
    """Each of CONTROLLED sessions that speak is paused, gone on with, and stopped, while the others speak."""
    pauses: list[float] = []
    stops: list[float] = []
    with ExitStack() as stack:
        sessions = [worker.session(voice=VOICE) for _ in range(CONTROLLED)]
        watched = {session: _Watched(worker, session) for session in sessions}
        for session in sessions:
            stack.callback(worker.stub.EndSession, wire.EndSessionRequest(session_id=session))
        for _ in range(5):
            for session in sessions:
                watched[session].say()
            for session in sessions:
                watched[session].speaks()
            for session in sessions:
                pauses.append(watched[session].pause())
                stops.append(watched[session].stop())
    return [
        Figure(f"PAUSE to the last frame, {CONTROLLED} sessions, median", median(pauses), "ms"),
        Figure("PAUSE to the last frame, p99", percentile(pauses, 99), "ms", 50),
        Figure("STOP to its jobs cancelled and told, median", median(stops), "ms"),
        Figure("STOP to its jobs cancelled and told, p99", percentile(stops, 99), "ms", 50),
    ]


class _Watched(Talk):
    def __init__(self, worker: Worker, session: str) -> None:
        super().__init__(worker.stub, session, None, ahead_ms=None)
        self._worker, self._session = worker, session

    def say(self, *_: object) -> None:  # type: ignore[override]
        self._heard = len(self.frames)
        super().say(SENTENCE * 60)

    def speaks(self) -> None:
        """As fast as it is heard, for all that may be ahead was sent."""
        self.until_frames(self._heard + FILLED)

    def pause(self) -> float:
        begun = time.monotonic()
        paused = self._worker.control(self._session, "PAUSE")
        self.until_frames(paused.next_frame)
        assert len(self.frames) == paused.next_frame
        taken = self.came_at[-1] - begun
        self._worker.control(self._session, "RESUME")
        return 1000 * max(0.0, taken)

    def stop(self) -> float:
        """Until it has returned, when no job is left, and the stream has told it."""
        told = len(self.stops)
        begun = time.monotonic()
        self._worker.control(self._session, "STOP")
        taken = time.monotonic() - begun
        self.until(lambda it: len(it.stops) > told, "the stop is told")
        return 1000 * taken


# what is left


def _leaks(worker: Worker, sessions: int) -> list[Figure]:
    """Each speaks, and is dropped in the middle of it: by its client, by its end, or by both."""
    process = worker.process.process
    _drop(worker, range(100))
    _nothing_runs(worker)
    before = _held(process)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: _drop(worker, [number]), range(sessions)))
    _nothing_runs(worker)
    after = _held(process)
    return [
        Figure("sessions opened and dropped", sessions, ""),
        Figure("records left", len(list(worker.records.iterdir())), "", 0),
        Figure("jobs left", len(worker.engine.client.queue()["queued"]), "", 0),
        Figure("descriptors of the worker more than before", after[0] - before[0], "", 16),
        Figure("threads of the worker more than before", after[1] - before[1], "", 16),
        Figure("memory of the worker more than before", (after[2] - before[2]) / 1e6, "MB", 16),
    ]


def _drop(worker: Worker, numbers: range | list[int]) -> None:
    for number in numbers:
        session = worker.session(voice=VOICE)
        talk = worker.talk(session).say(SENTENCE * 3).until_frames(3)
        end: Callable[[], object] = lambda name=session: worker.stub.EndSession(  # noqa: E731
            wire.EndSessionRequest(session_id=name), timeout=CALL_S
        )
        for leave in ((talk.drop, end), (end, talk.drop))[number % 2]:
            leave()


def _nothing_runs(worker: Worker) -> None:
    def is_idle() -> bool:
        queue = worker.engine.client.queue()
        return not queue["queued"] and worker.engine.client.activity()["running"] == 0

    eventually(is_idle, "no job is left")
    eventually(lambda: "hearing" not in _threads(worker.process.process), "no stream is left")


def _threads(process: psutil.Process) -> list[str]:
    names = []
    for thread in process.threads():
        try:
            with open(f"/proc/{process.pid}/task/{thread.id}/comm") as comm:
                names.append(comm.read().strip())
        except OSError:
            continue
    return names


def _held(process: psutil.Process) -> tuple[int, int, int]:
    return process.num_fds(), process.num_threads(), process.memory_info().rss
