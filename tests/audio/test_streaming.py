"""What is encoded as it is made: the same audio, soon, and however it comes in pieces."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from servers import extras
from servers.audio.encode import ENDINGS, FORMATS, content_type
from servers.audio.files import probe, read
from servers.audio.resample import resample
from servers.audio.streaming import StreamEncoder, encoded, streamed_rate
from servers.errors import InvalidRequest, MissingExtra

from .decoded import decoded, match, spoken

LOSSY = ("mp3", "opus", "aac")
HELD_MS = {"wav": 10, "flac": 60, "mp3": 130, "opus": 110, "aac": 140, "pcm": 10}
"""At most, at 24 kHz."""
HELD_AT_16_KHZ_MS = {"wav": 10, "flac": 85, "mp3": 130, "opus": 110, "aac": 200, "pcm": 55}
FIRST_MS = 200
BLOCK_MS = 50


def in_blocks(samples: np.ndarray, length: int) -> Iterator[np.ndarray]:
    return (samples[start : start + length] for start in range(0, len(samples), length))


def streamed(samples: np.ndarray, rate: int, format: str, length: int | None = None) -> bytes:
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    return b"".join(encoded(in_blocks(samples, length or rate * BLOCK_MS // 1000), rate, format))


def as_float(samples: np.ndarray) -> np.ndarray:
    return samples.astype(np.float32) / 32768


@pytest.mark.parametrize(
    ("format", "rate"),
    [("wav", 22050), ("wav", 24000), ("flac", 8000), ("flac", 22050), ("flac", 24000), ("pcm", 24000)],
)
def test_a_lossless_stream_has_the_very_samples(format, rate):
    samples = spoken(1.3, rate)
    back, back_rate = decoded(streamed(samples, rate, format), format)
    assert back_rate == rate
    assert np.array_equal(back, as_float(samples))


@pytest.mark.parametrize("format", LOSSY)
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
def test_a_lossy_stream_sounds_as_what_went_in(format, rate):
    samples = spoken(1.3, rate)
    back, back_rate = decoded(streamed(samples, rate, format), format)
    assert back_rate == streamed_rate(rate, format)
    likeness = match(back, resample(as_float(samples), rate, back_rate))
    assert likeness.correlation > 0.95
    assert 0 <= likeness.delay / back_rate < 0.12
    assert -0.002 < len(back) / back_rate - 1.3 < 0.2


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_raw_samples_are_brought_to_24_khz(rate):
    samples = spoken(1.3, rate)
    back = np.frombuffer(streamed(samples, rate, "pcm"), "<i2")
    wanted = resample(as_float(samples), rate, 24000)
    assert len(back) == len(wanted)
    assert np.abs(as_float(back) - wanted).max() < 1e-4


@pytest.mark.parametrize(("rate", "most_ms"), [(24000, HELD_MS), (16000, HELD_AT_16_KHZ_MS)])
@pytest.mark.parametrize("format", FORMATS)
def test_what_was_given_can_be_heard_soon(format, rate, most_ms):
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    samples = spoken(1.0, rate)
    with closing(StreamEncoder(format, rate)) as encoder:
        so_far, given, held_ms = b"", 0, []
        prefixes = []
        for block in in_blocks(samples, rate * BLOCK_MS // 1000):
            so_far += encoder.push(block)
            given += len(block)
            prefixes.append((given / rate, so_far))
        whole, _ = decoded(so_far + encoder.finish(), format)
    delay = match(whole, resample(as_float(samples), rate, encoder.sample_rate)).delay
    for given_s, prefix in prefixes:
        if given_s * 1000 >= FIRST_MS:
            heard = len(decoded(prefix, format)[0]) - delay
            held_ms.append(1000 * (given_s - heard / encoder.sample_rate))
    assert max(held_ms) <= most_ms[format]


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=25)
@given(lengths=st.lists(st.sampled_from([0, 1, 2, 219, 220, 221, 1024, 5000]), min_size=1, max_size=12))
def test_how_it_is_cut_into_blocks_changes_nothing(format, lengths):
    samples = spoken(sum(lengths) / 22050, 22050)
    edges = np.cumsum([0, *lengths])
    blocks = [samples[start:end] for start, end in pairwise(edges)]
    pieces = b"".join(encoded(blocks, 22050, format))
    at_once = b"".join(encoded([samples], 22050, format))
    if format == "opus":  # each Ogg stream has a number of its own, drawn by lot
        assert np.array_equal(decoded(pieces, format)[0], decoded(at_once, format)[0])
    else:
        assert pieces == at_once


@pytest.mark.parametrize("format", FORMATS)
def test_samples_may_come_one_by_one(format):
    samples = spoken(0.1, 24000)
    one_by_one, together = streamed(samples, 24000, format, 1), streamed(samples, 24000, format)
    assert np.array_equal(decoded(one_by_one, format)[0], decoded(together, format)[0])


@pytest.mark.parametrize("blocks", [[], [np.zeros(0, np.int16)] * 3])
@pytest.mark.parametrize("format", FORMATS)
def test_of_no_samples_there_is_a_file_all_the_same(format, blocks):
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    data = b"".join(encoded(blocks, 22050, format))
    back, rate = decoded(data, format)
    assert not np.abs(back).max(initial=0) > 1e-3
    if format in ("wav", "pcm"):
        assert len(data) == (44 if format == "wav" else 0)
        assert not len(back)
    else:
        assert 0 < len(back) <= 0.2 * rate


@pytest.mark.parametrize("format", ENDINGS)
def test_the_servers_themselves_read_what_is_streamed(format):
    samples = spoken(1.3, 22050)
    data = streamed(samples, 22050, format)
    assert probe(io.BytesIO(data)).duration_s == pytest.approx(1.3, abs=0.2)
    back, _ = read(io.BytesIO(data), 22050)
    assert match(back, as_float(samples)).correlation > 0.95


def test_a_wav_says_that_its_length_is_unknown():
    data = streamed(spoken(0.5, 22050), 22050, "wav")
    assert data[4:8] == data[40:44] == b"\xff\xff\xff\xff"
    back, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    assert rate == 22050
    assert np.array_equal(back, spoken(0.5, 22050))


def test_an_mp3_of_a_stream_is_guessed_to_be_as_long_as_it_is():
    data = streamed(spoken(3.0, 24000), 24000, "mp3")
    assert soundfile.info(io.BytesIO(data)).duration == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize("format", FORMATS)
def test_a_stream_says_what_it_is(format):
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    with closing(StreamEncoder(format, 22050)) as encoder:
        assert encoder.content_type == content_type(format)
        assert encoder.sample_rate == streamed_rate(22050, format)


@pytest.mark.parametrize(
    ("format", "rate", "carried"),
    [
        ("wav", 11025, 11025),
        ("flac", 96000, 96000),
        ("mp3", 8000, 16000),
        ("mp3", 96000, 48000),
        ("opus", 22050, 24000),
        ("aac", 12000, 16000),
        ("aac", 44100, 44100),
        ("pcm", 48000, 24000),
    ],
)
def test_a_stream_has_a_rate_at_which_the_codec_is_quick(format, rate, carried):
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    assert streamed_rate(rate, format) == carried


@pytest.mark.parametrize("format", FORMATS)
def test_a_stream_that_is_closed_early_takes_nothing_more(format):
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    encoder = StreamEncoder(format, 24000)
    encoder.push(spoken(0.3, 24000))
    encoder.close()
    encoder.close()
    for use in (lambda: encoder.push(spoken(0.1, 24000)), encoder.finish):
        with pytest.raises(ValueError, match="ended"):
            use()


def test_a_stream_that_is_finished_takes_nothing_more():
    encoder = StreamEncoder("flac", 24000)
    assert encoder.finish()
    with pytest.raises(ValueError, match="ended"):
        encoder.finish()


def test_who_stops_listening_lets_the_codec_go(monkeypatch):
    closed = []
    close = StreamEncoder.close
    monkeypatch.setattr(StreamEncoder, "close", lambda encoder: (closed.append(encoder), close(encoder)))
    pieces = encoded(in_blocks(spoken(1.0, 24000), 1200), 24000, "mp3")
    assert next(pieces)
    assert not closed
    pieces.close()
    assert len(closed) == 1
    with pytest.raises(ValueError, match="ended"):
        closed[0].push(spoken(0.1, 24000))


def test_an_error_of_the_model_lets_the_codec_go_and_is_told(monkeypatch):
    closed = []
    close = StreamEncoder.close
    monkeypatch.setattr(StreamEncoder, "close", lambda encoder: (closed.append(encoder), close(encoder)))

    def breaking() -> Iterator[np.ndarray]:
        yield spoken(0.5, 24000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(encoded(breaking(), 24000, "opus"))
    assert len(closed) == 1


@pytest.mark.parametrize("format", FORMATS)
def test_many_streams_at_once_do_not_disturb_each_other(format):
    samples = [spoken(0.5, 22050, seed) for seed in range(8)]

    def made(each: np.ndarray) -> bytes:
        return streamed(each, 22050, format, 441)

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(made, samples))
    for mine, each in zip(together, samples, strict=True):
        assert np.array_equal(decoded(mine, format)[0], decoded(made(each), format)[0])


def test_an_unknown_format_is_refused_before_anything_is_made():
    def blocks() -> Iterator[np.ndarray]:
        raise AssertionError("it was asked for")
        yield

    for use in (lambda: encoded(blocks(), 24000, "aiff"), lambda: StreamEncoder("aiff", 24000)):
        with pytest.raises(InvalidRequest, match="wav, flac, mp3, opus, aac, pcm") as raised:
            use()
        assert raised.value.param == "format"


def test_without_pyav_aac_names_its_extra_and_the_others_are_made(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    for use in (lambda: encoded([], 24000, "aac"), lambda: StreamEncoder("aac", 24000)):
        with pytest.raises(MissingExtra, match=r"'\.\[av\]'"):
            use()
    for format in FORMATS:
        if format != "aac":
            assert streamed(spoken(0.2, 24000), 24000, format)


def test_samples_that_are_no_int16_are_refused():
    with closing(StreamEncoder("wav", 24000)) as encoder, pytest.raises(TypeError):
        encoder.push(np.zeros(2400, np.float32))


@pytest.mark.parametrize("format", ["wav", "flac", "pcm"])
def test_a_stream_may_have_another_rate(format):
    samples = spoken(1.0, 22050)
    with closing(StreamEncoder(format, 22050, to_hz=16000)) as encoder:
        assert encoder.sample_rate == 16000
        made = encoder.push(samples) + encoder.finish()
    back, rate = decoded(made, format)
    assert rate == (16000 if format != "pcm" else 24000)  # which raw samples are taken to have
    assert match(back, resample(as_float(samples), 22050, 16000)).correlation > 0.999
