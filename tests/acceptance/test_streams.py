"""No sample of one job is ever heard in another's audio; `scripts/bench streams` is the long campaign."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.customer import is_numbered
from benchmarks.streams import stream
from tests.acceptance.processes import running_engine
from tests.stand_ins.fake import numbered


def test_streams_that_are_dropped_cancelled_resumed_and_slow_have_their_own_samples_only():
    with running_engine() as engine:
        heard = stream(engine, 200, seed=7)
    assert (heard.foreign, heard.cut, heard.errors) == ([], [], [])
    assert len(heard.kinds) == 7, "every way to listen was taken"
    assert heard.samples > 100_000


@pytest.mark.parametrize("place", [0, 1, 777, 999])
def test_one_foreign_sample_would_be_noticed(place):
    audio = numbered(5, 400, 1000)
    assert is_numbered(audio.tobytes(), 5, 400)
    assert not is_numbered(audio.tobytes(), 5, 402), "it is out of place"
    spoilt = audio.copy()
    spoilt[place] = np.int16(31_000)
    assert not is_numbered(spoilt.tobytes(), 5, 400)
