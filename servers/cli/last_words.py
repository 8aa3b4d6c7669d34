"""Why a server of the appliance ended, in its own words: the sentence in its log, and not the log."""

from __future__ import annotations

import json
from pathlib import Path

OWN_WORDS = "skylark: "
"""How a server begins the line that says why it does not start, before it logs at all."""


def last_words(log: Path, start: int) -> str | None:
    """The last sentence, after byte `start` of the log, with which it refused to start; or None."""
    try:
        with log.open("rb") as file:
            file.seek(start)
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return None
    return next((said for line in reversed(lines) if (said := _refusal(line)) is not None), None)


def _refusal(line: str) -> str | None:
    if line.startswith(OWN_WORDS):
        return line.removeprefix(OWN_WORDS)
    try:
        logged = json.loads(line)
    except ValueError:
        return None
    if isinstance(logged, dict) and logged.get("level") == "CRITICAL":
        return " ".join(str(logged.get("message")).split())
    return None
