"""What an API key may be, so that a header can carry it."""

from __future__ import annotations


def sendable(key: str) -> str:
    """The same key. Raises ValueError, which does not say it, for one that no header can carry: it is sent in
    UTF-8, on one line, and blanks at its ends are no part of a header.
    """
    if any(character < " " or character == "\x7f" for character in key):
        raise ValueError("has a line break or another control character, which no header can carry")
    if key != key.strip(" "):
        raise ValueError("begins or ends with a blank, which no header can carry")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ValueError("has bytes that are no UTF-8, which is how it is sent") from None
    return key
