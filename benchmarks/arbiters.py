"""gunicorn's arbiter of the engine is killed, again and again: how long until a text is spoken again?"""

from __future__ import annotations

import time

import psutil
import requests

from benchmarks.figures import Figure, median
from benchmarks.stand import embedded_default
from servers.supervision.configuration import START_S
from tests.acceptance.processes import Appliance

SENTENCE = "The quick brown fox jumps over the lazy dog."
AGAIN_WITHIN_S = 5.0
LONGEST_S = 90.0


def measure(kills: int) -> list[Figure]:
    with embedded_default() as appliance:
        away_s = [_killed(appliance) for _ in range(kills)]
    return [
        Figure("kills of the engine's arbiter", kills, ""),
        Figure("until a text is spoken again, median", median(away_s), "s"),
        Figure("until a text is spoken again, longest", max(away_s), "s", AGAIN_WITHIN_S),
    ]


def _killed(appliance: Appliance) -> float:
    """Seconds. It has to have run for a while, or supervisord takes it for one that cannot start."""
    arbiter = appliance.named("servers.engine")[0]
    young_s = START_S + 1 - (time.time() - arbiter.create_time())
    time.sleep(max(0.0, young_s))
    begun = time.monotonic()
    arbiter.kill()
    psutil.wait_procs([arbiter], timeout=LONGEST_S)
    while not _speaks(appliance):
        if time.monotonic() - begun > LONGEST_S:
            raise TimeoutError("the engine is not back")
        time.sleep(0.05)
    return time.monotonic() - begun


def _speaks(appliance: Appliance) -> bool:
    try:
        return appliance.post("tts", "/generate_batch", json={"texts": [SENTENCE]}).status_code == 200
    except requests.RequestException:
        return False
