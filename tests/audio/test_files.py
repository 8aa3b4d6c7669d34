"""Reading audio files: any rate, any number of channels, and a plain word where it is none."""

import io
import os

import numpy as np
import pytest
import soundfile

from servers.audio.encode import ENDINGS, encode
from servers.audio.files import BLOCK_SAMPLES, blocks, probe, read, recording
from servers.audio.resample import resample
from servers.errors import AudioTooLong, UnsupportedAudio
from servers.settings import settings
from tests.audio.headers import of_unknown_length


@pytest.fixture
def wav(tmp_path):
    def write(samples, rate=16000, name="a.wav", **settings):
        path = tmp_path / name
        soundfile.write(path, samples, rate, **settings)
        return path

    return write


def tone(rate=16000, seconds=0.5):
    return np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate).astype(np.float32) / 2


def test_probe_tells_what_the_header_says(wav):
    info = probe(wav(np.stack([tone(44100)] * 2, axis=1), 44100))
    assert (info.duration_s, info.sample_rate, info.channels, info.format) == (0.5, 44100, 2, "wav")


def test_probe_leaves_a_stream_where_it_was(wav):
    stream = io.BytesIO(wav(tone()).read_bytes())
    assert probe(stream).duration_s == 0.5
    assert stream.tell() == 0


@pytest.mark.parametrize("format", ENDINGS)
def test_probe_knows_every_format_that_is_written(format):
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    data = encode((tone(24000) * 30000).astype(np.int16), 24000, format)
    assert probe(io.BytesIO(data)).duration_s == pytest.approx(0.5, abs=0.1)


def test_stereo_is_mixed_down(wav):
    samples, rate = read(wav(np.stack([tone(), np.zeros_like(tone())], axis=1), subtype="FLOAT"))
    assert rate == 16000
    assert np.allclose(samples, tone() / 2, atol=1e-6)


def test_stereo_in_antiphase_is_not_silence(wav):
    path = wav(np.stack([tone(), -tone()] * 2, axis=1), subtype="FLOAT")
    assert np.allclose(read(path)[0], tone(), atol=1e-6)
    assert np.array_equal(np.concatenate(list(blocks(path, 16000, 0.2))), read(path)[0])


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 22050, 44100, 48000, 96000, 192000])
def test_any_rate_is_resampled_to_the_one_asked_for(wav, rate):
    samples, got = read(wav(tone(rate), rate), 16000)
    assert got == 16000
    assert samples.dtype == np.float32
    assert abs(len(samples) - 8000) <= 1


def test_not_a_number_in_a_file_is_silence(wav):
    samples, _ = read(wav(np.array([0.5, np.nan, np.inf], np.float32), subtype="FLOAT"))
    assert samples.tolist() == [0.5, 0.0, 0.0]


def test_a_file_longer_than_a_block_is_read_whole(wav):
    samples, _ = read(wav(np.tile(tone(), 60)))
    assert len(samples) == 480000


@pytest.mark.parametrize("data", [b"", b"not audio at all" * 50, b"RIFF\x10\x00\x00\x00WAVEfmt "])
@pytest.mark.parametrize("name", ["a.wav", "a.raw", "a.mp3"])
def test_what_is_no_audio_is_refused_saying_what_is_possible(tmp_path, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        with pytest.raises(UnsupportedAudio, match="WAV, FLAC, MP3"):
            probe(source)
    with pytest.raises(UnsupportedAudio, match="WAV, FLAC, MP3"):
        read(path)


@pytest.mark.parametrize("rate", [1, 3_999, 768_001, 2**31 - 1])
def test_a_rate_that_no_speech_is_recorded_at_is_refused_saying_what_is_possible(wav, rate):
    path = wav(np.zeros(16_000, np.float32), rate)
    for use in (probe, lambda path: read(path, 16_000), lambda path: next(blocks(path, 16_000, 1.0))):
        with pytest.raises(UnsupportedAudio, match="from 4000 to 768000") as raised:
            use(path)
        assert raised.value.param == "audio_path"


@pytest.mark.parametrize(("rate", "channels"), [(768_000, 2), (4_000, 2), (16_000, 1_024)])
def test_the_outermost_rates_and_the_most_channels_are_read(wav, rate, channels):
    path = wav(np.tile(tone(rate)[:, None], (1, channels)), rate, subtype="FLOAT")
    samples, _ = read(path, 16_000)
    assert len(samples) == pytest.approx(8_000, abs=2)
    assert np.allclose(samples[2_000:6_000], tone()[2_000:6_000], atol=1e-3)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_what_is_decoded_in_blocks_is_what_is_decoded_at_once(wav, rate):
    noise = np.random.default_rng(0).normal(0, 0.2, (BLOCK_SAMPLES, 3))  # three blocks of the decoder
    path = wav(noise, rate, subtype="PCM_24")
    whole = soundfile.read(path, dtype="float32")[0].mean(axis=1, dtype=np.float32)
    assert np.allclose(read(path, 16_000)[0], resample(whole, rate, 16_000), atol=1e-6)


@pytest.mark.parametrize("longest_s", [0.4, 0.0])
def test_a_recording_over_the_limit_is_refused_by_its_field(wav, longest_s):
    path = wav(tone())
    for use in (probe, read, lambda path, **limit: next(blocks(path, 16_000, 1.0, **limit))):
        with pytest.raises(AudioTooLong, match=f"at most {longest_s:g} s") as raised:
            use(path, longest_s=longest_s, param="clip")
        assert raised.value.param == "clip"


def test_a_file_that_does_not_say_how_long_it_is_is_decoded_up_to_the_limit(tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(of_unknown_length(encode((tone() * 30_000).astype(np.int16), 16_000, "flac")))
    assert probe(path).duration_s == 0.5
    with pytest.raises(UnsupportedAudio):
        probe(path, by_header=True)
    assert len(read(path)[0]) == 8_000
    for use in (probe, read):
        with pytest.raises(AudioTooLong):
            use(path, longest_s=0.4)


@pytest.mark.parametrize("end", [b"", bytes(50)])
def test_a_file_that_says_neither_how_long_it_is_nor_holds_anything_is_refused(tmp_path, end):
    path = tmp_path / "a.flac"
    path.write_bytes(of_unknown_length(encode((tone() * 30_000).astype(np.int16), 16_000, "flac"))[:42] + end)
    for use in (probe, read):
        with pytest.raises(UnsupportedAudio):
            use(path)


def test_the_setting_is_the_limit_where_nobody_says_another(wav, monkeypatch):
    monkeypatch.setenv("SKYLARK_LIMITS__MAX_AUDIO_S", "0.4")
    settings.cache_clear()
    try:
        with pytest.raises(AudioTooLong, match=r"at most 0\.4 s"):
            read(wav(tone()))
    finally:
        settings.cache_clear()


READABLE = [
    (format, subtype)
    for format in soundfile.available_formats()
    for subtype in soundfile.available_subtypes(format)
    if format not in ("RAW", "SD2")  # the first has no header, the second has it in another file
]


@pytest.mark.parametrize(("format", "subtype"), READABLE)
def test_whatever_libsndfile_writes_is_read_from_its_beginning_to_its_end(tmp_path, format, subtype):
    path = tmp_path / "a"
    written = False
    for rate, channels in ((8_000, 1), (16_000, 1), (44_100, 2)):
        try:
            samples = np.tile(tone(rate, 2.0)[:, None], (1, channels))
            soundfile.write(path, samples, rate, format=format, subtype=subtype)
        except soundfile.SoundFileError:
            continue  # not with so many channels, or not at that rate
        written = True
        own = probe(path)
        assert len(read(path, 16_000)[0]) == pytest.approx(16_000 * own.duration_s, abs=3_000)
    if not written:
        pytest.skip("libsndfile does not write it")


def test_a_file_of_no_samples_is_refused(wav):
    with pytest.raises(UnsupportedAudio, match="no audio"):
        probe(wav(np.zeros(0, np.float32)))


def test_damage_behind_a_good_header_is_refused_and_not_an_internal_error(tmp_path):
    data = encode((np.random.default_rng(0).standard_normal(48000) * 9000).astype(np.int16), 16000, "flac")
    path = tmp_path / "a.flac"
    path.write_bytes(data[: len(data) // 3] + b"\xff" * 2000)
    assert probe(path).duration_s == 3
    with pytest.raises(UnsupportedAudio):
        read(path)


def test_a_missing_file_is_refused_without_telling_the_path(tmp_path):
    with pytest.raises(UnsupportedAudio, match="No such file") as raised:
        read(tmp_path / "nothing.wav")
    assert str(tmp_path) not in raised.value.message


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_blocks_joined_are_the_whole_file(wav, rate):
    path = wav(np.tile(tone(rate), 130), rate)  # longer than what is decoded at once
    found = list(blocks(path, 16000, 10.0))
    assert [len(block) for block in found[:-1]] == [160000] * (len(found) - 1)
    assert 0 < len(found[-1]) <= 160000
    assert np.array_equal(np.concatenate(found), read(path, 16000)[0])


def test_damage_is_met_after_the_good_blocks(tmp_path):
    data = encode((np.random.default_rng(0).standard_normal(640000) * 9000).astype(np.int16), 16000, "flac")
    path = tmp_path / "a.flac"
    path.write_bytes(data[: len(data) // 2] + b"\xff" * 2000)
    with pytest.raises(UnsupportedAudio):
        list(blocks(path, 16000, 1.0))


@pytest.mark.parametrize("data", [b"", b"not audio at all" * 50])
def test_blocks_of_no_audio_are_refused(tmp_path, data):
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(UnsupportedAudio, match="WAV, FLAC, MP3"):
        next(blocks(path, 16000, 1.0))


def test_a_recording_stays_the_same_whatever_takes_its_place(wav):
    path = wav(tone())
    with recording(path) as stream:
        path.unlink()
        wav(np.zeros(100, np.float32))
        assert probe(stream).duration_s == 0.5
        assert np.array_equal(read(stream)[0], np.concatenate(list(blocks(stream, 16000, 0.1))))
        assert stream.tell() == 0


@pytest.mark.parametrize("open_it", [read, probe, lambda path: next(blocks(path, 16000, 1.0))])
def test_a_fifo_is_refused_at_once_and_a_link_is_not_followed(tmp_path, wav, open_it):
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "link.wav").symlink_to(wav(tone()))
    for name, says in (("fifo.wav", "it is a FIFO"), ("link.wav", "links are not followed")):
        with pytest.raises(UnsupportedAudio, match=says) as raised:
            open_it(tmp_path / name)
        assert raised.value.param == "audio_path"
