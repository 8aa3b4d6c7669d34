"""Texts that follow on each other as one, with the spaces that their scripts have."""

from __future__ import annotations

from collections.abc import Iterable

from servers.text.line_breaks import is_ideographic


def joined(texts: Iterable[str]) -> str:
    """With a space between any two, but where they meet with a Chinese or Japanese character."""
    whole = ""
    for text in texts:
        spaced = whole and text and not (is_ideographic(whole[-1]) or is_ideographic(text[0]))
        whole += f" {text}" if spaced else text
    return whole
