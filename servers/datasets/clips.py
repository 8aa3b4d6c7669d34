"""A data set's recordings: which of them can be trained with, and why the others cannot."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servers.audio.files import probe, read, recording
from servers.audio.level import level_dbfs
from servers.audio.reference import clip_length_s, clip_samples
from servers.datasets import manifest
from servers.datasets.fit import MOST_UNSAID, Aligner, unsaid
from servers.datasets.manifest import Clip
from servers.datasets.report import Code, Finding, Report
from servers.errors import InvalidRequest

SPOKEN = re.compile(r"\w")
SAMPLE_RATE = 24_000
"""Of Qwen3-TTS's codec, in Hz."""
SHORTEST_S, LONGEST_S = 0.4, 30.0
SILENT_DBFS = -55.0
CLIPPED, MOST_CLIPPED = 0.999, 0.001
"""A sample that is as large is cut off; a share of them up to that is not worth a word."""
SLOWEST, FASTEST = 1.0, 40.0
"""Characters a second that somebody reads, in any script."""


def check(folder: Path, aligner: Aligner | None = None) -> Report:
    """What is in the data set that lies there, unpacked. Its files are read one after the other; an `aligner`
    is asked for what nothing else leaves out. Raises InvalidDataset without train.jsonl.
    """
    looked = _Looked(folder, aligner)
    findings: list[Finding] = []
    lines = kept = 0
    kept_s = 0.0
    for found in manifest.read(folder):
        lines += 1
        said = [found] if isinstance(found, Finding) else list(looked.at(found))
        findings += said
        if isinstance(found, Clip) and not any(finding.leaves_out for finding in said):
            kept += 1
            kept_s += looked.seconds
    return Report(
        lines=lines, kept=kept, kept_s=round(kept_s, 3), reference=looked.reference, findings=findings
    )


@dataclass
class _Looked:
    """At one clip after the other; what is said of one may depend on those before it."""

    folder: Path
    aligner: Aligner | None = None
    seconds: float = 0.0
    reference: str | None = None
    _references: dict[str, str | None] = field(default_factory=dict)
    """Why each cannot be used."""
    _audio: dict[bytes, int] = field(default_factory=dict)
    _texts: dict[str, int] = field(default_factory=dict)

    def at(self, clip: Clip) -> Iterator[Finding]:
        is_left_out = False
        for finding in self._at_clip(clip):
            is_left_out |= finding.leaves_out
            yield finding
        if self.aligner is not None and not is_left_out:
            yield from self._at_fit(clip, self.aligner)

    def _at_clip(self, clip: Clip) -> Iterator[Finding]:
        yield from self._at_reference(clip)
        text = " ".join(clip.text.split())
        if not SPOKEN.search(text):
            yield _finding(clip, Code.NO_WORDS, "there is no word in its text")
        try:
            with recording(self._path(clip.audio)) as file:
                rate = probe(file).sample_rate
                samples, _ = read(file, SAMPLE_RATE)
        except InvalidRequest as error:
            is_there = _is_there(self._path(clip.audio))
            yield _finding(clip, Code.UNREADABLE_AUDIO if is_there else Code.MISSING_AUDIO, error.message)
            return
        self.seconds = len(samples) / SAMPLE_RATE
        if rate != SAMPLE_RATE:
            yield _finding(clip, Code.RESAMPLED, f"it has {rate} Hz, and is made {SAMPLE_RATE} Hz")
        yield from self._at_sound(clip, samples)
        yield from self._at_pace(clip, text)
        yield from self._at_others(clip, text, samples)

    def _path(self, name: str) -> Path:
        """Within the folder: what leads out of it is not there."""
        path = Path(name)
        is_within = not path.is_absolute() and ".." not in path.parts
        return self.folder / (path if is_within else "outside of the data set")

    def _at_reference(self, clip: Clip) -> Iterator[Finding]:
        name = clip.ref_audio
        if name not in self._references:
            self._references[name] = self._why_no_reference(name)
        if (why := self._references[name]) is not None:
            yield _finding(clip, Code.BAD_REFERENCE, f"ref_audio {name!r}: {why}")
        elif self.reference is None:
            self.reference = name
        elif name != self.reference:
            message = f"ref_audio is {name!r}, and {self.reference!r} is used, as in the lines before it"
            yield _finding(clip, Code.OTHER_REFERENCE, message)

    def _why_no_reference(self, name: str) -> str | None:
        try:
            with recording(self._path(name), "ref_audio") as file:
                clip_length_s(file, "ref_audio")
                clip_samples(file, SAMPLE_RATE, "ref_audio")
        except InvalidRequest as error:
            return error.message
        return None

    def _at_sound(self, clip: Clip, samples: NDArray[np.float32]) -> Iterator[Finding]:
        if self.seconds < SHORTEST_S:
            message = f"it lasts {self.seconds:.2f} s; at least {SHORTEST_S:g} s are needed"
            yield _finding(clip, Code.TOO_SHORT, message)
        elif self.seconds > LONGEST_S:
            message = f"it lasts {self.seconds:.0f} s; at most {LONGEST_S:g} s are possible"
            yield _finding(clip, Code.TOO_LONG, message)
        level = level_dbfs([samples], SAMPLE_RATE)
        if level < SILENT_DBFS:
            yield _finding(clip, Code.SILENT, f"nothing in it is louder than {level:.0f} dBFS")
        share = float(np.mean(np.abs(samples) >= CLIPPED))
        if share > MOST_CLIPPED:
            yield _finding(clip, Code.CLIPPED, f"{100 * share:.1f} % of its samples are cut off")

    def _at_pace(self, clip: Clip, text: str) -> Iterator[Finding]:
        pace = len(text) / self.seconds
        if pace > FASTEST:
            message = f"{len(text)} characters in {self.seconds:.1f} s: it does not have all of its text"
            yield _finding(clip, Code.TOO_FAST, message)
        elif pace < SLOWEST:
            message = f"{len(text)} characters in {self.seconds:.1f} s: it has more than its text"
            yield _finding(clip, Code.TOO_SLOW, message)

    def _at_fit(self, clip: Clip, aligner: Aligner) -> Iterator[Finding]:
        try:
            share = unsaid(aligner(self._path(clip.audio), clip.text))
        except InvalidRequest as error:
            yield _finding(clip, Code.NOT_ALIGNED, error.message)
            return
        if share > MOST_UNSAID:
            message = f"{100 * share:.0f} % of its text is not heard in it"
            yield _finding(clip, Code.UNSAID, message)

    def _at_others(self, clip: Clip, text: str, samples: NDArray[np.float32]) -> Iterator[Finding]:
        """Of two that are the same the first one counts."""
        heard = hashlib.sha256(samples.tobytes()).digest()
        if (first := self._audio.setdefault(heard, clip.line)) != clip.line:
            yield _finding(clip, Code.SAME_AUDIO, f"it is the recording of line {first}")
        elif (first := self._texts.setdefault(text.casefold(), clip.line)) != clip.line:
            yield _finding(clip, Code.SAME_TEXT, f"line {first} has the same text")


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # its name is longer than any file's
        return False


def _finding(clip: Clip, code: Code, message: str) -> Finding:
    return Finding(line=clip.line, code=code, message=message, audio=clip.audio)
