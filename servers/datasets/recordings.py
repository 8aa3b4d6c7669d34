"""A data set made of recordings and of what a recogniser heard in them."""

from __future__ import annotations

import errno
import json
import shutil
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servers.audio.encode import encode
from servers.audio.files import read
from servers.audio.loudness import normalize_lufs
from servers.audio.pcm import to_int16
from servers.audio.reference import LONGEST_S as REFERENCE_LONGEST_S
from servers.audio.reference import SHORTEST_S as REFERENCE_SHORTEST_S
from servers.datasets.archive import FIELD, MANIFEST
from servers.datasets.clips import SAMPLE_RATE
from servers.errors import InvalidDataset
from servers.storage import storing

SHORTEST_S, LONGEST_S = 1.0, 20.0
BEFORE_S, AFTER_S = 0.1, 0.2
"""Of the pause around a segment, half of it at most."""
LEAST_SCORE = 0.4
"""The median of a segment's words: below it what was heard is a guess."""
LUFS = -20.0
USUAL_REFERENCE_S = 10.0
DATA = "data"
REFERENCE = f"{DATA}/ref_audio.wav"


@dataclass(frozen=True)
class Cut:
    """A segment of a recording, in seconds of it. `why_not` is why it is left out."""

    start: float
    end: float
    text: str
    score: float
    why_not: str | None

    @property
    def seconds(self) -> float:
        return self.end - self.start


def cuts(transcript: Mapping[str, Any], duration_s: float) -> Iterator[Cut]:
    """A transcript's segments as they are cut out, with some of the pauses around them: each only where it is
    long enough, not too long, and surely heard. The transcript is as /transcribe answers.
    """
    segments = transcript["segments"]
    for index, segment in enumerate(segments):
        before = segments[index - 1]["end"] if index else 0.0
        after = segments[index + 1]["start"] if index + 1 < len(segments) else duration_s
        start = max(0.0, segment["start"] - min(BEFORE_S, max(0.0, segment["start"] - before) / 2))
        end = min(duration_s, segment["end"] + min(AFTER_S, max(0.0, after - segment["end"]) / 2))
        text = " ".join(segment["text"].split())
        scores = [word["score"] for word in segment["words"] if word["score"] is not None]
        score = statistics.median(scores) if scores else 0.0
        yield Cut(start, end, text, score, _why_not(end - start, text, score))


def _why_not(seconds: float, text: str, score: float) -> str | None:
    if seconds < SHORTEST_S:
        return f"it lasts {seconds:.1f} s; at least {SHORTEST_S:g} s are needed"
    if seconds > LONGEST_S:
        return f"it lasts {seconds:.1f} s without a pause; at most {LONGEST_S:g} s are possible"
    if not text:
        return "nothing was heard in it"
    if score < LEAST_SCORE:
        return f"it was not surely heard: half of its words have a score below {score:.2f}"
    return None


class Recordings:
    """Writes a data set into `folder`, which is made and must not be there, recording by recording."""

    def __init__(self, folder: Path) -> None:
        """Its zip will be beside it. Raises FileExistsError where one of them is there."""
        packed = folder.with_name(f"{folder.name}.zip")
        if packed.exists():
            raise FileExistsError(errno.EEXIST, "it is there already", str(packed))
        folder.mkdir(parents=True)
        (folder / DATA).mkdir()
        self._folder, self._packed = folder, packed
        self._lines: list[dict[str, str]] = []
        self._reference: tuple[float, Path] | None = None
        """How good it is, and which clip it is."""

    def add(self, recording: Path, transcript: Mapping[str, Any]) -> list[Cut]:
        """What became of each segment. Raises what `read` does, and StorageFailed."""
        samples, _ = read(recording, SAMPLE_RATE)
        made = list(cuts(transcript, len(samples) / SAMPLE_RATE))
        for cut in made:
            if cut.why_not is None:
                self._write(cut, samples[round(cut.start * SAMPLE_RATE) : round(cut.end * SAMPLE_RATE)])
        return made

    def _write(self, cut: Cut, samples: NDArray[np.float32]) -> None:
        name = f"{DATA}/seg_{len(self._lines) + 1:08}.wav"
        path = self._folder / name
        levelled = normalize_lufs(samples, SAMPLE_RATE, LUFS)
        with storing("the data set"):
            path.write_bytes(encode(to_int16(levelled), SAMPLE_RATE, "wav"))
        self._lines.append({"audio": f"./{name}", "text": cut.text, "ref_audio": f"./{REFERENCE}"})
        if REFERENCE_SHORTEST_S < cut.seconds < REFERENCE_LONGEST_S:
            worth = cut.score * min(1.0, cut.seconds / USUAL_REFERENCE_S)
            if self._reference is None or worth > self._reference[0]:
                self._reference = (worth, path)

    def finish(self) -> Path:
        """Writes the reference, the surest of the long clips, and the lines, and packs all of it into a zip,
        which it returns. Raises InvalidDataset where there is no clip, and StorageFailed.
        """
        if self._reference is None:
            raise InvalidDataset("no segment of the recordings can be used", param=FIELD)
        lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self._lines)
        with storing("the data set"):
            shutil.copyfile(self._reference[1], self._folder / REFERENCE)
            (self._folder / MANIFEST).write_text(lines, encoding="utf-8")
            shutil.make_archive(str(self._folder), "zip", self._folder)
        return self._packed

    def forget(self) -> None:
        """Nothing of it is left."""
        shutil.rmtree(self._folder)
        self._packed.unlink(missing_ok=True)
