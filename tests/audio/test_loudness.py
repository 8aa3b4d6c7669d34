"""Loudness, measured by us and by a meter that is not ours; and voices made as loud as each other."""

import importlib.util

import numpy as np
import pytest

from servers.audio.level import MOST_GAIN_DB
from servers.audio.limiter import CEILING_DBTP, LimitedGain
from servers.audio.loudness import (
    gain_to,
    limited_lufs,
    lufs_gain,
    measured,
    normalize_lufs,
    normalize_rms,
    rms_dbfs,
)
from servers.audio.pcm import to_float32, to_int16
from servers.audio.resample import StreamResampler
from servers.backends.espeak import Espeak, EspeakUtterance
from servers.backends.piper import Piper, PiperUtterance
from servers.errors import MissingExtra
from servers.speech import Chunk, ModelSpec
from tests.backends.contract import items
from tests.real_weights import need

RATE = 48_000
TARGET_LUFS = -16.0
JOE = "piper-en-us-joe"
MEASURED_BY = (
    "The quick brown fox jumps over the lazy dog, and then it goes home to its three cubs for supper."
)
SPOKEN = (
    "Good morning! Your order has left our house today; it should be with you on Thursday. "
    "If nobody is at home, may we leave it with a neighbour?"
)
pytestmark = pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="needs the extra [av]")


def noise(dbfs, seconds=2.0, seed=0):
    white = np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    return (white * 10 ** (dbfs / 20)).astype(np.float32)


def lufs(samples, rate=RATE):
    """By pyloudnorm."""
    pyloudnorm = pytest.importorskip("pyloudnorm")
    return pyloudnorm.Meter(rate).integrated_loudness(to_float32(samples).astype(np.float64))


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
@pytest.mark.parametrize("dbfs", [-50.0, -23.0])
def test_another_meter_says_the_same(rate, dbfs):
    said = measured(to_int16(noise(dbfs)), rate).lufs
    assert said == pytest.approx(lufs(noise(dbfs), rate), abs=0.2)


def test_a_sine_of_997_hz_is_as_loud_as_the_recommendation_says():
    """BS.1770-4: at full scale in one channel, −3.01 LKFS."""
    sine = np.sin(2 * np.pi * 997 * np.arange(2 * RATE) / RATE).astype(np.float32)
    assert measured(sine, RATE).lufs == pytest.approx(-3.01, abs=0.05)
    assert measured(sine, RATE).true_peak_dbtp == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("dbfs", [-45.0, -20.0])
def test_what_was_loud_or_quiet_is_as_loud_as_was_asked_for(dbfs):
    assert lufs(normalize_lufs(noise(dbfs), RATE, -23.0)) == pytest.approx(-23.0, abs=0.2)
    assert rms_dbfs(normalize_rms(noise(dbfs), RATE, -26.0)) == pytest.approx(-26.0, abs=0.1)


def test_int16_stays_int16():
    normalized = normalize_lufs(to_int16(noise(-40.0)), RATE, -23.0)
    assert normalized.dtype == np.int16
    assert lufs(normalized) == pytest.approx(-23.0, abs=0.2)


@pytest.mark.parametrize("normalize", [normalize_lufs, normalize_rms])
@pytest.mark.parametrize("length", [0, 1, 4_799, RATE])
def test_silence_of_any_length_is_left_as_it_is(normalize, length):
    silence = np.zeros(length, np.int16)
    assert np.array_equal(normalize(silence, RATE, TARGET_LUFS), silence)


def test_less_than_a_block_of_r128_is_left_as_loud_as_it_is():
    click = noise(-30.0)[: int(0.39 * RATE)]
    assert measured(click, RATE).lufs is None
    assert np.array_equal(normalize_lufs(click, RATE, TARGET_LUFS), click)


def test_the_gain_of_what_is_almost_nothing_is_bounded():
    assert gain_to(TARGET_LUFS, -69.0) == MOST_GAIN_DB
    assert gain_to(TARGET_LUFS, None) == 0
    assert gain_to(TARGET_LUFS, -10.0) == -6


def test_loudness_for_a_limiter_is_what_gives_the_gain_that_is_needed():
    struck = noise(-40.0)
    struck[:: RATE // 10] = 0.9
    told = limited_lufs(struck, RATE, TARGET_LUFS)
    assert gain_to(TARGET_LUFS, told) == pytest.approx(lufs_gain(struck, RATE, TARGET_LUFS))
    assert told < measured(struck, RATE).lufs - 1
    assert limited_lufs(struck[:1_000], RATE, TARGET_LUFS) is None


def test_without_pyav_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setattr("servers.extras.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"\[av\]"):
        measured(noise(-20.0), RATE)


@pytest.fixture(scope="module", params=["en-US", "en-GB", "de", "fr", "en-US+f3", "en-US+whisper", JOE])
def spoken(request):
    """`spoken[text]`: the chunks of a voice, and their sample rate."""
    voice = request.param
    if voice == JOE:
        if importlib.util.find_spec("piper") is None:
            pytest.skip("needs the extra [piper]")
        need(JOE)
        backend, kind = Piper(), PiperUtterance
        spec = ModelSpec(backend="piper", name="joe", options={"checkpoint": JOE})
    else:
        backend, kind = Espeak(), EspeakUtterance
        spec = ModelSpec(backend="espeak", name="default")
    backend.load(spec, "cpu")
    made = {}
    for text in (MEASURED_BY, SPOKEN):
        yielded = items(backend, "synthesize", kind(text=text, voice=voice, seed=1))
        chunks = [item for item in yielded if isinstance(item, Chunk)]
        made[text] = [to_float32(chunk.samples) for chunk in chunks], chunks[0].sample_rate
    return made


def test_one_text_of_a_voice_is_as_loud_as_was_asked_for(spoken):
    chunks, rate = spoken[SPOKEN]
    normalized = normalize_lufs(np.concatenate(chunks), rate, TARGET_LUFS)
    assert lufs(normalized, rate) == pytest.approx(TARGET_LUFS, abs=1)
    assert measured(normalized, rate).true_peak_dbtp <= CEILING_DBTP


def test_a_stream_of_a_voice_is_as_loud_by_the_gain_of_another_text(spoken):
    chunks, rate = spoken[MEASURED_BY]
    gain_db = lufs_gain(np.concatenate(chunks), rate, TARGET_LUFS)
    resampler, gain = StreamResampler(rate, RATE), LimitedGain(RATE, gain_db)
    chunks, _ = spoken[SPOKEN]
    heard = [gain.push(resampler.push(chunk)) for chunk in chunks]
    heard.append(gain.push(resampler.push(chunks[0][:0], last=True), last=True))
    streamed = np.concatenate(heard)
    assert abs(len(streamed) - sum(map(len, chunks)) * RATE / rate) <= 1
    assert lufs(streamed) == pytest.approx(TARGET_LUFS, abs=1)
    assert measured(streamed, RATE).true_peak_dbtp <= CEILING_DBTP
