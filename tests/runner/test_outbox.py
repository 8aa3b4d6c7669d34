"""What the outbox sends together, and in which order."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from servers.runner.outbox import Outbox, merged
from servers.runner.wire import Wire, encode

CHUNK = {"op": "chunk", "run": 1, "index": 0, "sample_rate": 16_000}


def test_chunks_of_one_request_in_a_row_become_one():
    other = CHUNK | {"index": 1}
    end = {"op": "end", "run": 1}
    frames = [(CHUNK, b"a"), (CHUNK, b"b"), (other, b"c"), (CHUNK, b"d"), (end, b"")]
    together = [(CHUNK, b"ab"), (other, b"c"), (CHUNK, b"d"), (end, b"")]
    assert merged([(encode(m), [], p) for m, p in frames]) == [(encode(m), [], p) for m, p in together]


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    yield Wire(ours), Wire(theirs)
    ours.close()
    theirs.close()


def test_a_chunk_waits_for_its_turn_and_a_result_does_not(ends):
    ours, theirs = ends
    outbox = Outbox(ours, clock=lambda: 0.0)  # time stands still: a second chunk would wait for ever
    outbox.put(CHUNK, b"a")
    assert theirs.receive() == (CHUNK, b"a")
    outbox.put(CHUNK, b"b")
    outbox.put(CHUNK, b"c")
    outbox.put({"op": "result", "run": 1})
    assert theirs.receive() == (CHUNK, b"bc")
    assert theirs.receive() == ({"op": "result", "run": 1}, b"")


def test_the_words_of_chunks_that_go_together_go_together(ends):
    ours, theirs = ends
    outbox = Outbox(ours, clock=lambda: 0.0)
    outbox.put(CHUNK, b"a")
    assert theirs.receive() == (CHUNK, b"a")
    outbox.put(CHUNK | {"words": [{"word": "one"}]}, b"b")
    outbox.put(CHUNK, b"c")
    outbox.put(CHUNK | {"words": [{"word": "two"}]}, b"d")
    outbox.put({"op": "end", "run": 1})
    assert theirs.receive() == (CHUNK | {"words": [{"word": "one"}, {"word": "two"}]}, b"bcd")


def test_a_model_whose_engine_is_gone_is_told(ends):
    ours, theirs = ends
    outbox = Outbox(ours)
    theirs.close()
    with pytest.raises(BrokenPipeError):
        put_many(outbox)


def put_many(outbox: Outbox) -> None:
    for _ in range(50):
        outbox.put(CHUNK, bytes(1_000_000))


def test_what_cannot_be_sent_is_told_to_the_model_and_the_outbox_goes_on(ends):
    ours, theirs = ends
    outbox = Outbox(ours)
    with pytest.raises(TypeError):
        outbox.put({"op": "progress", "fraction": np.float32(0.5)})
    outbox.put({"op": "end"})
    assert theirs.receive() == ({"op": "end"}, b"")
