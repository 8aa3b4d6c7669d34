"""Encoding: what comes out can be read again, at a rate the format can carry."""

import io

import numpy as np
import pytest
import soundfile

from servers import extras
from servers.audio.encode import (
    ENDINGS,
    FORMATS,
    check_format,
    check_rate,
    content_type,
    encode,
    encode_file,
    encoded_rate,
)
from servers.audio.resample import resample
from servers.errors import InvalidRequest, MissingExtra

from .decoded import decoded as back
from .decoded import match, spoken


def tone(rate, seconds=0.5):
    wave = np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)
    return (wave * 12000).astype(np.int16)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("rate", [16000, 22050, 24000, 96000])
def test_every_format_takes_every_rate(format, rate):
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    decoded, decoded_rate = back(encode(tone(rate), rate, format), format)
    assert decoded_rate == encoded_rate(rate, format)
    assert len(decoded) / decoded_rate == pytest.approx(0.5, abs=0.13)  # AAC: two frames of 1024
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


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_of_samples_gives_the_same(format):
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    file = io.BytesIO()
    encode_file(io.BytesIO(tone(22050, 2.0).tobytes()), 22050, format, file)
    assert file.tell() == 0
    samples, rate = back(file.read(), format)
    assert np.array_equal(samples, back(encode(tone(22050, 2.0), 22050, format), format)[0])
    assert rate == encoded_rate(22050, format)


def test_raw_samples_are_those_of_24_khz():
    assert encode(tone(24000), 24000, "pcm") == tone(24000).astype("<i2").tobytes()
    assert len(encode(tone(22050), 22050, "pcm")) == 2 * 12000


def test_raw_samples_are_no_file():
    assert ENDINGS == ("wav", "flac", "mp3", "opus", "aac")


def test_without_pyav_aac_names_its_extra(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    for use in (lambda: encode(tone(16000), 16000, "aac"), lambda: check_format("aac")):
        with pytest.raises(MissingExtra, match=r"'\.\[av\]'"):
            use()
    check_format("opus")


def test_an_unknown_format_lists_the_known_ones():
    with pytest.raises(InvalidRequest, match="wav, flac, mp3, opus, aac, pcm") as raised:
        encode(tone(16000), 16000, "aiff")
    assert raised.value.param == "format"


def test_content_types_are_what_browsers_expect():
    assert [content_type(format) for format in FORMATS] == [
        "audio/wav",
        "audio/flac",
        "audio/mpeg",
        "audio/ogg",
        "audio/aac",
        "audio/pcm",
    ]


def test_another_rate_may_be_asked_for():
    samples, file = spoken(1.0, 22050), io.BytesIO()
    encode_file(io.BytesIO(samples.tobytes()), 22050, "wav", file, to_hz=16000)
    heard, rate = soundfile.read(file, dtype="float32")
    assert (rate, len(heard)) == (16000, 16000)
    assert match(heard, resample(samples.astype(np.float32) / 32768, 22050, 16000)).correlation > 0.999


def test_a_rate_that_a_format_cannot_carry_lists_those_that_it_can():
    with pytest.raises(InvalidRequest, match=r"opus cannot carry 44100 .* 8000, 12000, 16000") as raised:
        check_rate(44100, "opus")
    assert raised.value.param == "sample_rate"


@pytest.mark.parametrize(("format", "rate"), [("wav", 11111), ("opus", 48000), ("pcm", 16000)])
def test_a_rate_that_a_format_can_carry_is_let_pass(format, rate):
    check_rate(rate, format)
