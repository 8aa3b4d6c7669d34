"""What people record is read: by PyAV what libsndfile cannot."""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
import pytest

from servers.audio import containers
from servers.audio.files import blocks, probe, read
from servers.errors import AudioTooLong, UnsupportedAudio

from .recorded import RECORDINGS, encoded

pytest.importorskip("av", reason="needs the extra [av]")

RATE = 16_000
PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"


def chirp(seconds: float = 2.0) -> np.ndarray:
    at = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * (300 + 200 * at) * at)).astype(np.float32)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """The highest correlation over small shifts: what a codec delays counts for nothing."""
    size = 1 << (len(one) + len(other)).bit_length()
    crossed = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)))
    return float(np.abs(crossed).max() / (np.linalg.norm(one) * np.linalg.norm(other)))


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    return {name: encoded(chirp(), RATE, wanted) for name, wanted in RECORDINGS.items()}


@pytest.mark.parametrize("name", RECORDINGS)
def test_what_people_record_is_heard(made, name, tmp_path):
    path = tmp_path / "recording"
    path.write_bytes(made[name])
    samples, _ = read(path, RATE)
    assert len(samples) / RATE == pytest.approx(2.0, abs=0.15)
    assert likeness(samples, chirp()) > 0.95
    assert np.array_equal(np.concatenate(list(blocks(path, RATE, 0.3))), samples)
    info = probe(io.BytesIO(made[name]))
    assert info.duration_s == pytest.approx(2.0, abs=0.15)
    assert info.channels == (2 if RECORDINGS[name].layout == "stereo" else 1)


@pytest.mark.parametrize(
    ("name", "format"), [("m4a", "mp4"), ("webm", "webm"), ("aac", "aac"), ("amr", "amr")]
)
def test_a_format_has_its_name(made, name, format):
    assert probe(io.BytesIO(made[name])).format == format


@pytest.mark.parametrize("name", ["m4a", "mp4", "webm", "wma"])
def test_the_header_says_how_long_it_is_without_decoding(made, name, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(containers.Contained, "read", refuse)
    assert probe(io.BytesIO(made[name]), by_header=True).duration_s == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("name", ["amr", "aac"])
def test_what_does_not_say_how_long_it_is_is_decoded_to_know_unless_the_header_is_all(made, name):
    assert probe(io.BytesIO(made[name])).duration_s == pytest.approx(2.0, abs=0.15)
    with pytest.raises(UnsupportedAudio):
        probe(io.BytesIO(made[name]), by_header=True)


def test_what_a_browser_records_as_it_goes_is_heard(tmp_path):
    data = encoded(chirp(), RATE, RECORDINGS["webm"], seekable=False)
    with pytest.raises(UnsupportedAudio):
        probe(io.BytesIO(data), by_header=True)
    assert probe(io.BytesIO(data)).duration_s == pytest.approx(2.0, abs=0.15)
    assert likeness(read(io.BytesIO(data), RATE)[0], chirp()) > 0.95


@pytest.mark.parametrize("name", ["aac", "webm", "m4a"])
def test_a_small_file_that_becomes_long_is_refused_while_it_is_decoded(name, monkeypatch):
    data = encoded(np.zeros(RATE * 60, np.float32), RATE, RECORDINGS[name], seekable=name != "webm")
    decoded = []
    pieces = containers.Contained._decoded

    def counted(self, *args):
        for piece in pieces(self, *args):
            decoded.append(len(piece) / self.samplerate)
            yield piece

    monkeypatch.setattr(containers.Contained, "_decoded", counted)
    for use in (probe, read):
        decoded.clear()
        with pytest.raises(AudioTooLong, match="at most 3 s"):
            use(io.BytesIO(data), longest_s=3.0, param="clip")
        assert sum(decoded) < 15.0


@pytest.mark.parametrize("name", ["m4a", "webm", "amr", "wma"])
def test_a_stream_is_left_where_it_was(made, name):
    stream = io.BytesIO(b"before" + made[name])
    stream.seek(6)
    probe(io.BytesIO(made[name]))
    assert containers.head_of(stream) == made[name][: containers.HEAD_BYTES]
    assert stream.tell() == 6


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_file_that_is_cut_off_or_damaged_is_read_as_far_as_it_goes_or_refused(made, name):
    data, random = made[name], np.random.default_rng(0)
    for length in (5, 20, len(data) // 3, len(data) - 7):
        with suppress(UnsupportedAudio):
            assert len(read(io.BytesIO(data[:length]), RATE)[0]) <= 3 * RATE
    for _ in range(10):
        damaged = bytearray(data)
        for place in random.integers(8, len(data), 20):
            damaged[place] = random.integers(256)
        with suppress(UnsupportedAudio, AudioTooLong):
            assert len(read(io.BytesIO(bytes(damaged)), RATE, longest_s=60.0)[0]) <= 60 * RATE


@pytest.mark.parametrize(
    "data", [PLAYLIST, b"ffconcat version 1.0\nfile /etc/hostname\n", b"v=0\no=- 0 0 IN IP4 1\n"]
)
def test_a_playlist_is_none_of_our_formats(data):
    assert containers.kind_of(data[: containers.HEAD_BYTES]) is None
    with pytest.raises(UnsupportedAudio, match="m4a"):
        read(io.BytesIO(data), RATE)


def test_a_playlist_that_begins_as_a_recording_opens_no_file():
    for begin in (b"\x1aE\xdf\xa3", b"\0\0\0\x18ftyp", b"#!AMR\n", b"RIFF"):
        with pytest.raises(UnsupportedAudio):
            read(io.BytesIO(begin + PLAYLIST * 50), RATE)


@pytest.mark.parametrize("name", ["m4a", "webm", "amr", "aac", "wma"])
def test_without_pyav_the_error_says_what_to_install(made, name, monkeypatch):
    monkeypatch.setattr(containers, "find_spec", lambda _: None)
    for use in (probe, read):
        with pytest.raises(UnsupportedAudio, match=r"pip install -e '\.\[av\]'") as raised:
            use(io.BytesIO(made[name]), param="file")
        assert raised.value.param == "file"
    assert len(read(io.BytesIO(made["telephone"]), RATE)[0]) == pytest.approx(2 * RATE, abs=2)


def test_a_video_without_a_sound_is_refused():
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        container.mux(stream.encode(None))
    with pytest.raises(UnsupportedAudio):
        read(io.BytesIO(file.getvalue()), RATE)
