"""The name of a voice that is fine-tuned."""

from __future__ import annotations

import re

from servers.errors import InvalidRequest

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
NUMBERED = re.compile(r"_(?=\d)")


def check_speaker(name: str, param: str = "speaker_name") -> str:
    """The name as a checkpoint's configuration has it, in lower case. Raises InvalidRequest."""
    if not NAME.fullmatch(name):
        message = f"{name[:64]!r} is no name for a voice: a letter, and then letters, digits, '-' and '_'"
        raise InvalidRequest(message, param=param)
    if NUMBERED.search(name):
        message = (
            f"{name!r} has '_' before a number, which the speech library may take for another voice: "
            f"{NUMBERED.sub('', name)!r} is possible"
        )
        raise InvalidRequest(message, param=param)
    return name.lower()
