"""A batch is written as it is made; `scripts/bench reply` is the long campaign."""

from __future__ import annotations

from benchmarks.reply import RATE_HZ, SECONDS, ask
from tests.acceptance.processes import running_appliance

TEXTS = 30
MOST_GROWTH_MB = 60


def test_a_batch_is_never_whole_in_memory():
    with running_appliance() as appliance:
        replied = ask(appliance, TEXTS, chars=100)
    assert replied.bytes > TEXTS * SECONDS * RATE_HZ * 2 * 4 / 3
    assert (replied.first[:4], replied.model) == (b"RIFF", "long")
    assert replied.most_mb - replied.before_mb < MOST_GROWTH_MB
