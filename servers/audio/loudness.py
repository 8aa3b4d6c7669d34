"""How loud speech sounds: LUFS and true peak (EBU R128, ITU-R BS.1770-4) by FFmpeg's ebur128; and RMS.

`normalize_lufs` and `normalize_rms` are for audio that is there whole; a stream is given the gain that
another text of the same voice needed, `lufs_gain`, by `limiter.LimitedGain`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from servers.audio.containers import EXTRA
from servers.audio.level import MOST_GAIN_DB
from servers.audio.limiter import LimitedGain
from servers.audio.pcm import to_float32, to_int16
from servers.extras import require
from servers.speech import Samples

QUIETEST_LUFS = -70.0
"""R128's absolute gate: what is quieter is silence. The filter says this where nothing is louder."""
SHORTEST_S = 0.4
"""R128's block: of less there is no loudness."""
QUIETEST_DBFS = -70.0
CLOSE_LU = 0.1
ROUNDS = 4
"""What the limiter takes away is made up for so often, each time by less."""
AT_ONCE = 1 << 14
"""Samples given to the filter in one frame."""

OfType = TypeVar("OfType", NDArray[np.int16], NDArray[np.float32])


@dataclass(frozen=True)
class Loudness:
    """`lufs` is None for silence and for less than 0.4 s; `true_peak_dbtp` is −inf for digital silence."""

    lufs: float | None
    true_peak_dbtp: float


def measured(samples: Samples, sample_rate: int) -> Loudness:
    """The integrated loudness of mono audio. Raises MissingExtra without PyAV."""
    require(EXTRA, "av")
    told = _told_by_ebur128(to_float32(samples), sample_rate)
    peak = float(told.get("lavfi.r128.true_peak", 0))
    lufs = float(told.get("lavfi.r128.I", QUIETEST_LUFS))
    is_known = lufs > QUIETEST_LUFS and len(samples) >= SHORTEST_S * sample_rate
    return Loudness(lufs if is_known else None, 20 * math.log10(peak) if peak > 0 else -math.inf)


def gain_to(target: float, level: float | None) -> float:
    """In dB, MOST_GAIN_DB at most; 0 where there is no level to go by."""
    return 0.0 if level is None else min(target - level, MOST_GAIN_DB)


def lufs_gain(samples: Samples, sample_rate: int, target_lufs: float) -> float:
    """The gain in dB, MOST_GAIN_DB at most, with which a LimitedGain gives mono audio of that loudness; 0 for
    silence, and for less than 0.4 s. Raises MissingExtra without PyAV.
    """
    gain_db = gain_to(target_lufs, measured(samples, sample_rate).lufs)
    for _ in range(ROUNDS):
        missing = gain_to(target_lufs, measured(_limited(samples, sample_rate, gain_db), sample_rate).lufs)
        if abs(missing) <= CLOSE_LU or gain_db + missing > MOST_GAIN_DB:
            break
        gain_db += missing
    return gain_db


def limited_lufs(samples: Samples, sample_rate: int, target_lufs: float) -> float | None:
    """How loud mono audio is for whoever amplifies it to about `target_lufs` by a LimitedGain: less loud than
    it is by what the limiter takes. None for silence, and for less than 0.4 s.

    Raises MissingExtra without PyAV.
    """
    if measured(samples, sample_rate).lufs is None:
        return None
    return target_lufs - lufs_gain(samples, sample_rate, target_lufs)


def normalize_lufs(samples: OfType, sample_rate: int, target_lufs: float) -> OfType:
    """The same mono audio at that integrated loudness, its true peaks limited to −1 dBTP.

    Silence, and what is shorter than 0.4 s, is left as loud as it is. Raises MissingExtra without PyAV.
    """
    return _amplified(samples, sample_rate, lufs_gain(samples, sample_rate, target_lufs))


def normalize_rms(samples: OfType, sample_rate: int, target_dbfs: float) -> OfType:
    """The same mono audio at that RMS, of all of it, against full scale; its true peaks limited to −1 dBTP.

    Silence, which is what is quieter than −70 dBFS, is left as it is.
    """
    return _amplified(samples, sample_rate, gain_to(target_dbfs, rms_dbfs(samples)))


def rms_dbfs(samples: Samples) -> float | None:
    """None for silence."""
    floats = to_float32(samples)
    mean_square = float(np.mean(np.square(floats, dtype=np.float64))) if len(floats) else 0.0
    dbfs = 10 * math.log10(mean_square) if mean_square > 0 else -math.inf
    return dbfs if dbfs > QUIETEST_DBFS else None


def _limited(samples: Samples, sample_rate: int, gain_db: float) -> NDArray[np.float32]:
    return LimitedGain(sample_rate, gain_db).push(to_float32(samples), last=True)


def _amplified(samples: OfType, sample_rate: int, gain_db: float) -> OfType:
    amplified = _limited(samples, sample_rate, gain_db)
    if samples.dtype == np.int16:
        return to_int16(amplified)  # type: ignore[return-value]
    return amplified  # type: ignore[return-value]


def _told_by_ebur128(samples: NDArray[np.float32], sample_rate: int) -> dict[str, str]:
    """What the filter says at the end of it: nothing of what is shorter than its frame of 100 ms."""
    import av

    graph = av.filter.Graph()
    source: Any = graph.add_abuffer(
        format="flt", sample_rate=sample_rate, layout="mono", time_base=Fraction(1, sample_rate)
    )
    meter, sink = graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    told: dict[str, str] = {}
    for start in range(0, len(samples), AT_ONCE):
        block = np.ascontiguousarray(samples[start : start + AT_ONCE])
        frame = av.AudioFrame.from_ndarray(block[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = sample_rate, start
        graph.push(frame)
        told = _pulled(graph, told)
    graph.push(None)
    return _pulled(graph, told)


def _pulled(graph: Any, told: dict[str, str]) -> dict[str, str]:
    """What the last of the frames that are there says, `told` where there is none."""
    import av

    while True:
        try:
            told = dict(graph.pull().metadata) or told
        except (av.error.BlockingIOError, av.error.EOFError):
            return told
