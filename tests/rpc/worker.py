"""A real worker over a real engine, and a client that keeps what it was sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import grpc
import numpy as np
import pytest

from servers.rpc import skylark_pb2 as wire
from servers.rpc.skylark_pb2_grpc import TTSStub
from servers.settings import ROOT
from tests.acceptance.processes import (
    EMBEDDED,
    START_S,
    Engine,
    Process,
    eventually,
    free_port,
    running_engine,
)

ESPEAK = {
    **EMBEDDED,
    "SKYLARK_RPC__MODEL_TYPE": "espeak",
    "SKYLARK_MODELS_FILE": str(ROOT / "config" / "models.example.yaml"),
}
CALL_S = 60.0


class Worker:
    """The process, and calls to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.port = engine, free_port()
        self.environment = {**engine.environment, "SKYLARK_RPC__PORT": str(self.port)}
        self.records = engine.data_dir / "sessions" / "tts-worker-0"
        self.process = self._start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.stub = TTSStub(self.channel)

    def _start(self) -> Process:
        return Process("servers.rpc", self.environment, self.engine.folder / "rpc.log")

    def start(self) -> None:
        """Again, after it was killed."""
        self.process = self._start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        eventually(self._answers, "the worker answers", START_S)

    def _answers(self) -> bool:
        try:
            self.stub.GetCapabilities(wire.GetCapabilitiesRequest(), timeout=CALL_S)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                return False
            raise
        return True

    def session(self, **fields: Any) -> str:
        return self.stub.StartSession(wire.StartSessionRequest(**fields), timeout=CALL_S).session_id

    def control(self, session_id: str, action: str) -> wire.ControlResponse:
        request = wire.ControlRequest(session_id=session_id, action=action)
        return self.stub.Control(request, timeout=CALL_S)

    def talk(self, session_id: str, from_frame: int | None = None) -> Talk:
        return Talk(self.stub, session_id, from_frame)


@contextmanager
def running_worker(**settings: str) -> Iterator[Worker]:
    """Of espeak-ng, unless the settings say otherwise."""
    with running_engine(**{**ESPEAK, **settings}) as engine:
        worker = Worker(engine)
        try:
            worker.wait_until_ready()
            yield worker
        finally:
            worker.channel.close()
            worker.process.end()


def refusal(call: Callable[[], object], code: grpc.StatusCode) -> grpc.RpcError:
    """The status that the call ends with, which is that one."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert raised.value.code() == code, raised.value.details()
    return raised.value


def metadata(error: grpc.RpcError) -> dict[str, str]:
    """The trailing one."""
    return dict(error.trailing_metadata())


class Talk:
    """One stream: texts are said to it, and what comes is kept by a thread of its own, with when it came."""

    def __init__(
        self, stub: TTSStub, session_id: str, from_frame: int | None, ahead_ms: int | None = 0
    ) -> None:
        self._said: SimpleQueue[wire.SynthesizeRequest | None] = SimpleQueue()
        self.frames: list[wire.Frame] = []
        self.came_at: list[float] = []
        self.stops: list[wire.Stopped] = []
        self.opened: wire.Opened | None = None
        self.error: grpc.RpcError | None = None
        self._changed = threading.Condition()
        self._has_ended = False
        opening = wire.Opening(session_id=session_id, from_frame=from_frame, ahead_ms=ahead_ms)
        self._said.put(wire.SynthesizeRequest(opening=opening))
        self._call = stub.Synthesize(iter(self._said.get, None), timeout=CALL_S)
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def say(self, text: str, *, flush: bool = False) -> Talk:
        self._said.put(wire.SynthesizeRequest(text=wire.Text(text=text, flush=flush)))
        return self

    def flush(self) -> Talk:
        return self.say("", flush=True)

    def end_texts(self) -> Talk:
        self._said.put(None)
        return self

    def drop(self) -> Talk:
        """As a client that goes away."""
        self._call.cancel()
        self._said.put(None)
        self._thread.join(CALL_S)
        return self

    def until(self, true: Callable[[Talk], object], what: str) -> Talk:
        with self._changed:
            assert self._changed.wait_for(lambda: true(self) or self._has_ended, CALL_S), what
            assert true(self), f"{what}: the stream has ended: {self.error}"
        return self

    def until_frames(self, count: int) -> Talk:
        return self.until(lambda talk: len(talk.frames) >= count, f"{count} frames came")

    def until_utterances(self, count: int) -> Talk:
        return self.until(
            lambda talk: sum(frame.last for frame in talk.frames) >= count, f"{count} utterances were spoken"
        )

    def until_ended(self) -> Talk:
        """Raises the error that it ended with."""
        self._thread.join(CALL_S)
        assert not self._thread.is_alive(), "the stream did not end"
        if self.error is not None:
            raise self.error
        return self

    def numbers(self) -> list[int]:
        return [frame.number for frame in self.frames]

    def words(self) -> list[str]:
        return [word.word for frame in self.frames for word in frame.words]

    def samples(self) -> np.ndarray:
        return np.frombuffer(b"".join(frame.audio for frame in self.frames), "<i2")

    def _hear(self) -> None:
        try:
            for response in self._call:
                with self._changed:
                    self._keep(response)
                    self._changed.notify_all()
        except grpc.RpcError as error:
            self.error = error
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _keep(self, response: wire.SynthesizeResponse) -> None:
        match response.WhichOneof("what"):
            case "opened":
                self.opened = response.opened
            case "stopped":
                self.stops.append(response.stopped)
            case "frame":
                self.frames.append(response.frame)
                self.came_at.append(time.monotonic())
