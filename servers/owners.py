"""Whose something on the disk is: each API key's in a folder of its own."""

from __future__ import annotations

from hashlib import sha256

EVERYONE = "everyone"
"""Whose it is where no key is configured."""


def folder_name(owner: str | None) -> str:
    """What the folder of a key is called, which tells nobody its id; `owner` is that id."""
    return EVERYONE if owner is None else sha256(owner.encode()).hexdigest()[:32]
