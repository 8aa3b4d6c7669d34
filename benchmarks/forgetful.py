"""`python -m benchmarks.forgetful`: the engine, but it keeps results for seconds, not for hours.

Only so does a run of two minutes show what hours of clearing away leave behind.
"""

from __future__ import annotations

from flask import Flask

from servers.engine import app, housekeeping
from servers.settings import settings
from servers.web.serve import serve, startup

MODULE = "benchmarks.forgetful"
KEEP_RESULTS_S = 5.0
SWEEP_EVERY_S = 2.0


def create_app() -> Flask:
    settings().engine.keep_results_s = KEEP_RESULTS_S  # the settings would refuse so little
    housekeeping.SWEEP_EVERY_S = SWEEP_EVERY_S
    return app.create_app()


if __name__ == "__main__":
    with startup() as config:
        address = f"unix:{config.engine_socket}"
        serve(f"{MODULE}:create_app()", bind=address, threads=config.engine.threads)
