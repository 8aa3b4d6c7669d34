"""What the appliance adds to one sentence: over HTTP and the queue against the backend in this process."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.figures import Figure, median, percentile
from benchmarks.stand import embedded_default, spoken
from servers.backends.espeak import Espeak, EspeakUtterance
from servers.catalog import Catalog
from servers.settings import settings
from servers.speech import Chunk
from tests.acceptance.processes import Appliance

SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody in the village is surprised."
ROUNDS = 200
WARM_UP = 20


def measure() -> list[Figure]:
    """Both sides take turns, so that whatever else the machine does meets both alike."""
    backend = Espeak()
    backend.load(Catalog.load(settings().models_file).resolve("espeak"), "cpu")
    with embedded_default() as appliance:
        whole = _in_turn(lambda: _speak(backend), lambda: spoken(appliance, SENTENCE))
        first = _in_turn(lambda: _first_chunk(backend), lambda: _first_byte(appliance))
    return [
        Figure("one sentence, backend in process, median", median(whole[0]), "ms"),
        Figure("one sentence, /generate_batch, median", median(whole[1]), "ms"),
        Figure("one sentence, added by the appliance, median", median(whole[1]) - median(whole[0]), "ms", 15),
        Figure("one sentence, /generate_batch, p99", percentile(whole[1], 99), "ms"),
        Figure("first chunk, backend in process, median", median(first[0]), "ms"),
        Figure("first byte at a client of the engine, median", median(first[1]), "ms"),
        Figure("first byte, added by the engine, median", median(first[1]) - median(first[0]), "ms", 10),
    ]


def _in_turn(*measured: Callable[[], object]) -> list[list[float]]:
    """Milliseconds of each round of each."""
    times: list[list[float]] = [[] for _ in measured]
    for round_number in range(WARM_UP + ROUNDS):
        for call, found in zip(measured, times, strict=True):
            begun = time.perf_counter()
            call()
            if round_number >= WARM_UP:
                found.append((time.perf_counter() - begun) * 1000)
    return times


def _speak(backend: Espeak) -> None:
    for _ in backend.synthesize([EspeakUtterance(text=SENTENCE)]):
        pass


def _first_chunk(backend: Espeak) -> None:
    items = backend.synthesize([EspeakUtterance(text=SENTENCE)])
    while not isinstance(next(items)[1], Chunk):
        pass
    items.close()


def _first_byte(appliance: Appliance) -> None:
    job = {"model_type": "espeak", "payload": {"text": SENTENCE}}
    (job_id,) = appliance.jobs.submit([job])
    with appliance.jobs.audio(job_id) as audio:
        next(audio.chunks)
