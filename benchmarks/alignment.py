"""How well a text is aligned to its audio, and recognised: against the synthesiser's own word times."""

from __future__ import annotations

import base64
import time

from benchmarks.figures import Figure, median
from benchmarks.stand import EXAMPLE, embedded_default, spoken
from servers.text.score import word_error_rate


def measure() -> list[Figure]:
    with embedded_default() as appliance:
        result = spoken(appliance, EXAMPLE)
        file = {"file": base64.b64decode(result["audio"])}
        appliance.post("whisperx", "/align", files=file, data={"text": EXAMPLE})  # loads the model
        begun = time.perf_counter()
        aligned = appliance.post("whisperx", "/align", files=file, data={"text": EXAMPLE}).json()
        align_s = time.perf_counter() - begun
        recognised = appliance.post("whisperx", "/transcribe", files=file).json()
        transcribe_s = time.perf_counter() - begun - align_s
    pairs = list(zip(result["words"], aligned["words"], strict=True))
    errors = [abs(a["start"] - b["start"]) * 1000 for a, b in pairs]
    return [
        Figure("words in the example", len(pairs), ""),
        Figure("word start against the synthesiser's, mean error", sum(errors) / len(errors), "ms", 30),
        Figure("word start against the synthesiser's, median error", median(errors), "ms"),
        Figure("word start against the synthesiser's, largest error", max(errors), "ms"),
        Figure("/align, time for each second of audio", align_s / result["duration_s"], "s"),
        Figure("/transcribe, time for each second of audio", transcribe_s / result["duration_s"], "s"),
        Figure("word error rate of the transcript", word_error_rate(EXAMPLE, recognised["text"]), ""),
    ]
