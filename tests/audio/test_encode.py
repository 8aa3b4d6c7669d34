"""Encoding: what comes out can be read again, at a rate the format can carry."""

import io

import numpy as np
import pytest
import soundfile

from servers.audio.encode import FORMATS, content_type, encode, encoded_rate
from servers.errors import InvalidRequest


def tone(rate, seconds=0.5):
    wave = np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)
    return (wave * 12000).astype(np.int16)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("rate", [16000, 22050, 24000, 96000])
def test_every_format_takes_every_rate(format, rate):
    decoded, decoded_rate = soundfile.read(io.BytesIO(encode(tone(rate), rate, format)))
    assert decoded_rate == encoded_rate(rate, format)
    assert len(decoded) / decoded_rate == pytest.approx(0.5, abs=0.05)
    spectrum = np.abs(np.fft.rfft(decoded))
    assert np.argmax(spectrum) * decoded_rate / len(decoded) == pytest.approx(440, abs=5)


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_lossless_formats_give_the_very_samples_back(format):
    decoded, rate = soundfile.read(io.BytesIO(encode(tone(22050), 22050, format)), dtype="int16")
    assert rate == 22050
    assert np.array_equal(decoded, tone(22050))


@pytest.mark.parametrize(
    ("rate", "carried"), [(22050, 24000), (24000, 24000), (44100, 48000), (96000, 48000)]
)
def test_opus_is_resampled_to_the_next_rate_it_knows(rate, carried):
    assert soundfile.info(io.BytesIO(encode(tone(rate), rate, "opus"))).samplerate == carried


def test_minutes_of_mp3_are_written_whole():
    data = encode(np.tile(tone(24000), 240), 24000, "mp3")
    assert soundfile.info(io.BytesIO(data)).duration == pytest.approx(120, abs=0.2)


def test_an_unknown_format_lists_the_known_ones():
    with pytest.raises(InvalidRequest, match="wav, flac, mp3, opus") as raised:
        encode(tone(16000), 16000, "aac")
    assert raised.value.param == "format"


def test_content_types_are_what_browsers_expect():
    assert [content_type(format) for format in FORMATS] == [
        "audio/wav",
        "audio/flac",
        "audio/mpeg",
        "audio/ogg",
    ]
