"""Data sets of tones, which are as much speech as these checks look for."""

from __future__ import annotations

import json
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

RATE = 24_000


def tone(
    path: Path, seconds: float = 2.0, hertz: float = 200.0, level: float = 0.2, rate: int = RATE
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    at = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, (level * np.sin(2 * np.pi * hertz * at)).astype(np.float32), rate, subtype="PCM_16")


@contextmanager
def longest_file(most_bytes: int) -> Iterator[None]:
    """Whoever writes more into a file fails, as on a full disk."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def line(audio: str, text: str, **more: object) -> dict[str, object]:
    return {"audio": audio, "text": text, "ref_audio": "./data/ref_audio.wav", **more}


def dataset(folder: Path, count: int = 3) -> list[dict[str, object]]:
    """As the format says it: `count` recordings, each of another pitch, and the reference."""
    lines = []
    for number in range(1, count + 1):
        name = f"./data/seg_{number:08}.wav"
        tone(folder / name, hertz=200 + 10 * number)
        lines.append(line(name, f"Sentence number {number} is said."))
    tone(folder / "data" / "ref_audio.wav", 3.0)
    write(folder, lines)
    return lines


def write(folder: Path, lines: list[dict[str, object]]) -> None:
    (folder / "train.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))


def zipped(folder: Path, path: Path, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{top}{file.relative_to(folder)}")
    return path
