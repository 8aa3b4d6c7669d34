"""What one request may ask for: one rule for the engine, its runners and the doors."""

from __future__ import annotations

from collections.abc import Iterable

from servers.errors import AudioTooLong, InvalidRequest, TooLarge
from servers.settings import Limits
from servers.speech import is_audio

LONGEST_PATH = 4_096
"""Characters: no system takes a longer one."""


def check_count(count: int, limits: Limits, param: str) -> None:
    """So many texts, recordings or jobs at once. Raises TooLarge."""
    if count > limits.max_texts:
        raise TooLarge(f"{count} at once; at most {limits.max_texts} are possible", param=param)


def check_texts(value: object, limits: Limits, param: str) -> None:
    """Every text in a payload, however deep it lies. The path of a recording is none, and has its own limit.

    Raises TooLarge, or InvalidRequest for a NUL byte: no model can speak it, and it ends a text for libraries
    in C.
    """
    match value:
        case str():
            _check_text(value, LONGEST_PATH if is_audio(param) else limits.max_text_chars, param)
        case dict():
            for name, inner in value.items():
                check_texts(inner, limits, f"{param}.{name}")
        case list():
            for index, inner in enumerate(value):
                check_texts(inner, limits, f"{param}.{index}")


def check_together(texts: Iterable[str], limits: Limits, param: str) -> None:
    """What one request has to speak or to align. Raises TooLarge."""
    chars = sum(map(len, texts))
    if chars > limits.max_request_chars:
        message = f"{chars} characters together; at most {limits.max_request_chars} are possible"
        raise TooLarge(message, param=param)


def _check_text(text: str, most_chars: int, param: str) -> None:
    if len(text) > most_chars:
        raise TooLarge(f"{len(text)} characters; at most {most_chars} are possible", param=param)
    if "\0" in text:
        raise InvalidRequest(f"{param!r} holds a NUL byte", param=param)


def check_audio(duration_s: float, longest_s: float, param: str) -> None:
    """One recording. Raises AudioTooLong."""
    if duration_s > longest_s:
        message = f"{duration_s:.0f} s of audio; at most {longest_s:g} s are possible"
        raise AudioTooLong(message, param=param)
