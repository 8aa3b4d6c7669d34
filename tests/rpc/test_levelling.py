"""How loud an utterance is made, by a real meter."""

from __future__ import annotations

import numpy as np
import pytest

from servers.audio.framing import FRAME_RATE_HZ
from servers.audio.loudness import measured, rms_dbfs
from servers.errors import InvalidRequest
from servers.rpc.levelling import Loudness, Method

SECONDS = np.arange(2 * FRAME_RATE_HZ) / FRAME_RATE_HZ
SPEECH = np.float32(0.05 * np.sin(2 * np.pi * 440 * SECONDS) * (1 + np.sin(2 * np.pi * 3 * SECONDS)))


def levelled(loudness: Loudness, voice_lufs: float | None = None, step: int = 960) -> np.ndarray:
    leveller = loudness.leveller(voice_lufs)
    starts = range(0, len(SPEECH), step)
    made = [leveller.push(SPEECH[start : start + step]) for start in starts]
    return np.concatenate([*made, leveller.push(np.zeros(0, np.float32), last=True)])


@pytest.mark.parametrize(
    "loudness", [Loudness(), Loudness(Method.VOICE, -23.0), Loudness(Method.INTEGRATED, -19.0)]
)
def test_it_is_as_loud_as_it_is_to_be(loudness: Loudness) -> None:
    own = measured(SPEECH, FRAME_RATE_HZ).lufs
    made = levelled(loudness, own)
    assert len(made) == len(SPEECH)
    assert measured(made, FRAME_RATE_HZ).lufs == pytest.approx(loudness.target, abs=0.5)


def test_the_root_mean_square_is_what_it_is_to_be() -> None:
    assert rms_dbfs(levelled(Loudness(Method.RMS, -22.0))) == pytest.approx(-22.0, abs=0.1)


def test_as_the_model_speaks_is_to_the_bit() -> None:
    assert (levelled(Loudness(Method.NONE, 0.0)) == SPEECH).all()


def test_a_voice_that_was_never_heard_is_left_as_it_is() -> None:
    assert np.abs(levelled(Loudness(), None) - SPEECH).max() < 1e-6


@pytest.mark.parametrize("target", [3.0, -4.9, -60.1, float("nan"), float("inf")])
def test_an_absurd_target_is_refused(target: float) -> None:
    with pytest.raises(InvalidRequest) as raised:
        Loudness(Method.VOICE, target)
    assert raised.value.param == "loudness.target"
