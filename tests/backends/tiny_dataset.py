"""A prepared data set of tones, as servers/datasets/prepared.py makes one of recordings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

RATE = 24_000


def write_dataset(folder: Path, clips: int = 3, seconds: float = 0.4) -> Path:
    (folder / "clips").mkdir(parents=True)
    lines = []
    for number in range(1, clips + 1):
        name = f"clips/{number:08}.wav"
        _tone(folder / name, seconds + 0.16 * number, 200 + 30 * number)
        text = f"Sentence number {number}."
        lines.append({"audio": name, "text": text, "seconds": seconds + 0.16 * number})
    _tone(folder / "reference.wav", 1.2, 180)
    (folder / "clips.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def _tone(path: Path, seconds: float, hertz: float) -> None:
    at = np.arange(round(seconds * RATE)) / RATE
    soundfile.write(path, (0.2 * np.sin(2 * np.pi * hertz * at)).astype(np.float32), RATE, subtype="PCM_16")
