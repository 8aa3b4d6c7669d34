"""Requests that come at random while others are spoken: a tiny random Qwen3-TTS, run by the real engine.

They come as a Poisson process of a given part of capacity, which is what full batches give after each other.
Measured is how long each waits for its first chunk, and how much audio is made; with requests that join the
running batch, the same with joins off, and the same requests served by the package one after the other.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figure, median, percentile
from benchmarks.gpu.checkpoints import write_endless
from benchmarks.qwen import PATIENCE_S, SENTENCE, THREADS, package_of
from servers.jobs.stream_events import AudioChunk
from tests.acceptance.processes import Engine, running_engine
from tests.backends.qwen_models import Place

BATCH = 24
"""Places in the batch: some have to be free at most times, and more make each step longer."""
FRAMES = 50
AUDIO_S = FRAMES * 0.08
LOADS = (0.3, 0.6, 0.9)
LONE, FULL = 20, 5
"""How often a request by itself, and a full batch, is measured."""
MODELS = """
backends:
  qwen3_tts:
    default: tiny
    models:
      tiny:
        checkpoint: {folder}
        max_frames: {frames}
        max_batch: {batch}
        trim_silence: false
        preload: true
"""


@dataclass
class Heard:
    """What a run of requests heard. Times are seconds from its start."""

    first_s: list[float] = field(default_factory=list)
    """From each request to its first chunk."""
    audio: list[tuple[float, float]] = field(default_factory=list)
    """When how many seconds of audio came."""
    failed: list[str] = field(default_factory=list)

    def rate(self, start_s: float, end_s: float) -> float:
        """Audio-seconds a second between the two times."""
        return sum(audio_s for at, audio_s in self.audio if start_s <= at < end_s) / (end_s - start_s)


def measure(seconds: float, seed: int = 1) -> list[Figure]:
    import torch

    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory(prefix="arrivals-") as name:
        folder = Path(name)
        checkpoint = write_endless(folder / "tiny", "tiny", Place("cpu", "float32"))
        with speaking(folder, joins=True) as engine:
            lone_s = [heard.first_s[0] for heard in (run(engine, [0.0]) for _ in range(LONE))]
            full = median([AUDIO_S * BATCH / taken(engine) for _ in range(FULL)])
            joined = {load: run(engine, arrivals(load * full / AUDIO_S, seconds, seed)) for load in LOADS}
        with speaking(folder, joins=False) as engine:
            waited = {load: run(engine, arrivals(load * full / AUDIO_S, seconds, seed)) for load in LOADS}
        service_s = package_takes(checkpoint)
    figures = [
        Figure("a request by itself, first chunk, median", 1000 * median(lone_s), "ms"),
        Figure("a request by itself, first chunk, p95", 1000 * percentile(lone_s, 95), "ms"),
        Figure(f"a full batch of {BATCH}, audio-seconds a second", full, ""),
        Figure(f"the package, {AUDIO_S:g} s of audio by itself", 1000 * service_s, "ms"),
    ]
    for load in LOADS:
        figures += of_load(
            load, joined[load], waited[load], arrivals(load * full / AUDIO_S, seconds, seed), service_s
        )
    p95_s = percentile(joined[0.6].first_s, 95)
    rate = joined[0.9].rate(0.1 * seconds, seconds)
    failed = sum(len(heard.failed) for heard in (*joined.values(), *waited.values()))
    return [
        *figures,
        Figure("requests that failed", failed, "", 0),
        Figure("p95 first chunk at 0.6 over a lone request's p95", p95_s / percentile(lone_s, 95), "", 2),
        Figure("audio-seconds a second at 0.9, over those of a full batch", rate / full, ""),
        Figure("… and what was asked for, over what was made", 0.9 * full / rate, "", 1 / 0.9),
    ]


def of_load(load: float, joined: Heard, waited: Heard, at: list[float], service_s: float) -> list[Figure]:
    name = f"at {load:g} of capacity"
    return [
        Figure(f"{name}, first chunk p50, joins on", 1000 * median(joined.first_s), "ms"),
        Figure(f"{name}, first chunk p95, joins on", 1000 * percentile(joined.first_s, 95), "ms"),
        Figure(f"{name}, first chunk p95, joins off", 1000 * percentile(waited.first_s, 95), "ms"),
        Figure(
            f"{name}, audio p95, the package one by one",
            1000 * percentile(one_by_one(at, service_s), 95),
            "ms",
        ),
    ]


def arrivals(per_second: float, seconds: float, seed: int) -> list[float]:
    """A Poisson process that has as many arrivals as are expected: they are uniform then."""
    dice = random.Random(seed)
    return sorted(dice.uniform(0, seconds) for _ in range(max(1, round(per_second * seconds))))


def one_by_one(at: list[float], service_s: float) -> list[float]:
    """How long each waits for its audio where one is served after the other; the package does not stream."""
    waits, free_at = [], 0.0
    for arrival in at:
        free_at = max(free_at, arrival) + service_s
        waits.append(free_at - arrival)
    return waits


def package_takes(checkpoint: Path) -> float:
    package, times = package_of(checkpoint), []
    for _ in range(4):
        begun = time.perf_counter()
        package.generate_custom_voice(SENTENCE, speaker="vivian", max_new_tokens=FRAMES + 1)
        times.append(time.perf_counter() - begun)
    return median(times[1:])


@contextmanager
def speaking(folder: Path, *, joins: bool) -> Iterator[Engine]:
    models = folder / "models.yaml"
    models.write_text(MODELS.format(folder=folder / "tiny", frames=FRAMES, batch=BATCH))
    with running_engine(
        SKYLARK_MODELS_FILE=str(models),
        SKYLARK_BACKENDS_PATH="[]",
        SKYLARK_ENGINE__DEVICE="cpu",
        SKYLARK_ENGINE__LOAD_TIMEOUT_S=str(PATIENCE_S),
        SKYLARK_ENGINE__JOINS=str(joins),
        OMP_NUM_THREADS=str(THREADS),
    ) as engine:
        for _ in range(3):
            run(engine, [0.0])
        taken(engine)
        yield engine


def taken(engine: Engine) -> float:
    """Seconds for a full batch."""
    begun = time.perf_counter()
    for _ in engine.client.stream([a_job() for _ in range(BATCH)]):
        pass
    return time.perf_counter() - begun


def run(engine: Engine, at: list[float]) -> Heard:
    """A client for each arrival, at its time."""
    heard, begun, lock = Heard(), time.perf_counter(), threading.Lock()
    clients = [threading.Thread(target=_listen, args=(engine, heard, lock, begun)) for _ in at]
    for due, client in zip(at, clients, strict=True):
        time.sleep(max(0.0, begun + due - time.perf_counter()))
        client.start()
    for client in clients:
        client.join(PATIENCE_S)
    return heard


def _listen(engine: Engine, heard: Heard, lock: threading.Lock, begun: float) -> None:
    asked_at, first = time.perf_counter(), True
    for event in engine.client.stream([a_job()]):
        if isinstance(event, AudioChunk):
            now = time.perf_counter()
            with lock:
                heard.audio.append((now - begun, len(event.pcm) / 2 / event.sample_rate))
                if first:
                    heard.first_s.append(now - asked_at)
            first = False
    if first:
        heard.failed.append("no audio")


def a_job() -> dict[str, object]:
    payload = {"text": SENTENCE, "voice": "vivian", "max_frames": FRAMES}
    return {"model_type": "qwen3_tts", "payload": payload}
