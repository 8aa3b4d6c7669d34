"""What the outbox sends together, and in which order."""

from __future__ import annotations

import socket
import threading

import numpy as np
import pytest

from servers.runner.outbox import Fraction, Outbox, PcmChunk, frames
from servers.runner.wire import Wire, encode

CHUNK = {"op": "chunk", "run": 1, "index": 0, "sample_rate": 16_000}
PROGRESS = {"op": "progress", "run": 1, "index": 0}
END = {"op": "end", "run": 1}


def chunk(pcm: bytes, index: int = 0, *words: str) -> PcmChunk:
    return PcmChunk(1, index, 16_000, pcm, [{"word": each} for each in words])


def as_sent(*frames: tuple[dict, bytes]) -> list[tuple[bytes, bytes]]:
    return [(encode(message), payload) for message, payload in frames]


def test_the_chunks_of_each_request_become_one():
    said = [chunk(b"a"), chunk(b"b"), chunk(b"c", 1), chunk(b"d")]
    assert list(frames(said)) == as_sent((CHUNK, b"abd"), (CHUNK | {"index": 1}, b"c"))


def test_nothing_that_was_said_before_a_message_comes_after_it():
    said = [chunk(b"a"), encode(END), chunk(b"b"), Fraction(1, 0, 0.5), encode(END)]
    last = PROGRESS | {"fraction": 0.5}
    assert list(frames(said)) == as_sent((CHUNK, b"a"), (END, b""), (CHUNK, b"b"), (last, b""), (END, b""))


def test_a_fraction_is_told_with_its_own_details_or_without_any():
    said = [Fraction(1, 0, 0.25, {"epoch": 1}), Fraction(1, 0, 0.5, {"epoch": 2}), Fraction(1, 1, 0.75)]
    told = [PROGRESS | {"fraction": 0.5, "details": {"epoch": 2}}, PROGRESS | {"index": 1, "fraction": 0.75}]
    assert list(frames(said)) == as_sent(*((each, b"") for each in told))


def test_of_the_fractions_of_each_request_the_last_is_told():
    said = [Fraction(1, 0, 0.25), Fraction(1, 1, 0.75), Fraction(1, 0, 0.5)]
    told = [PROGRESS | {"fraction": 0.5}, PROGRESS | {"index": 1, "fraction": 0.75}]
    assert list(frames(said)) == as_sent(*((message, b"") for message in told))


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    yield Wire(ours), Wire(theirs)
    ours.close()
    theirs.close()


@pytest.fixture
def outbox(ends):
    return Outbox(ends[0], clock=lambda: 0.0)  # time stands still: what is not due waits for ever


def test_a_chunk_waits_for_its_turn_and_a_result_does_not(ends, outbox):
    outbox.put_chunk(chunk(b"a"))
    assert ends[1].receive() == (CHUNK, b"a")
    outbox.put_chunk(chunk(b"b"))
    outbox.put_chunk(chunk(b"c"))
    outbox.put({"op": "result", "run": 1})
    assert ends[1].receive() == (CHUNK, b"bc")
    assert ends[1].receive() == ({"op": "result", "run": 1}, b"")


def test_a_fraction_goes_along_with_the_next_chunk(ends, outbox):
    outbox.put_fraction(Fraction(1, 0, 0.25))
    assert ends[1].receive()[0]["fraction"] == 0.25
    outbox.put_fraction(Fraction(1, 0, 0.5))
    outbox.put_chunk(chunk(b"a"))
    assert ends[1].receive() == (CHUNK, b"a")
    assert ends[1].receive()[0]["fraction"] == 0.5


def test_the_words_of_chunks_that_go_together_go_together(ends, outbox):
    outbox.put_chunk(chunk(b"a"))
    assert ends[1].receive() == (CHUNK, b"a")
    for each in (chunk(b"b", 0, "one"), chunk(b"c"), chunk(b"d", 0, "two")):
        outbox.put_chunk(each)
    outbox.put(END)
    message, pcm = ends[1].receive()
    assert pcm == b"bcd"
    assert [word["word"] for word in message["words"]] == ["one", "two"]


def test_a_model_whose_engine_is_gone_is_told(ends):
    ours, theirs = ends
    outbox = Outbox(ours)
    theirs.close()
    with pytest.raises(BrokenPipeError):
        put_many(outbox)


def put_many(outbox: Outbox) -> None:
    for _ in range(50):
        outbox.put_chunk(chunk(bytes(1_000_000)))


def test_a_defect_of_the_sender_ends_the_runner_and_not_only_the_thread(ends, monkeypatch):
    ours, theirs = ends
    said = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: said.set())
    outbox = Outbox(ours)
    outbox.put_chunk(PcmChunk(1, 0, 16_000, b"a", [{"word": object()}]))
    assert theirs.receive() is None
    with pytest.raises(BrokenPipeError):
        outbox.put({"op": "end"})
    assert said.wait(10)


def test_what_cannot_be_sent_is_told_to_the_model_and_the_outbox_goes_on(ends):
    ours, theirs = ends
    outbox = Outbox(ours)
    with pytest.raises(TypeError):
        outbox.put({"op": "result", "fraction": np.float32(0.5)})
    outbox.put({"op": "end"})
    assert theirs.receive() == ({"op": "end"}, b"")
