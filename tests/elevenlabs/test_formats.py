from __future__ import annotations

import numpy as np
import pytest

from servers.audio.streaming import streamed_rate
from servers.elevenlabs.formats import FORMATS, Encoder, output_format
from servers.errors import InvalidRequest
from tests.audio.decoded import decoded

SECOND = (8_000 * np.sin(np.arange(22_050) / 20)).astype(np.int16)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_the_rate_of_its_name_and_all_of_the_audio(name: str) -> None:
    format = output_format(name)
    encoder = Encoder(format, 22_050)
    made = b"".join(encoder.push(part) for part in np.array_split(SECOND, 7)) + encoder.finish()
    encoder.close()
    if format.codec == "pcm":
        assert len(made) / 2 == pytest.approx(format.rate_hz, abs=2)
        return
    assert streamed_rate(format.rate_hz, format.codec) == format.rate_hz
    samples, rate = decoded(made, format.codec)
    assert rate == format.rate_hz
    assert len(samples) / rate == pytest.approx(1.0, abs=0.15)


def test_samples_of_the_same_rate_are_left_as_they_are() -> None:
    encoder = Encoder(output_format("pcm_22050"), 22_050)
    assert encoder.push(SECOND) == SECOND.tobytes()
    assert encoder.finish() == b""


def test_an_unknown_format_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InvalidRequest, match=r"pcm_16000.*mp3_44100_128") as refused:
        output_format("pcm_12345")
    assert refused.value.param == "output_format"
