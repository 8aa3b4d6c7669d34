"""What one request may ask for: one rule for the engine, its runners and the doors."""

from __future__ import annotations

from servers.errors import AudioTooLong, InvalidRequest, TooLarge
from servers.settings import Limits


def check_count(count: int, limits: Limits, param: str) -> None:
    """So many texts, recordings or jobs at once. Raises TooLarge."""
    if count > limits.max_texts:
        raise TooLarge(f"{count} at once; at most {limits.max_texts} are possible", param=param)


def check_texts(value: object, limits: Limits, param: str) -> None:
    """Every text in a payload, however deep it lies. Raises TooLarge, or InvalidRequest for a NUL byte.

    No model can speak a NUL, and it ends a text for libraries in C.
    """
    match value:
        case str() if len(value) > limits.max_text_chars:
            message = f"{len(value)} characters; at most {limits.max_text_chars} are possible"
            raise TooLarge(message, param=param)
        case str() if "\0" in value:
            raise InvalidRequest(f"{param!r} holds a NUL byte", param=param)
        case dict():
            for name, inner in value.items():
                check_texts(inner, limits, f"{param}.{name}")
        case list():
            for index, inner in enumerate(value):
                check_texts(inner, limits, f"{param}.{index}")


def check_audio(duration_s: float, longest_s: float, param: str) -> None:
    """One recording. Raises AudioTooLong."""
    if duration_s > longest_s:
        message = f"{duration_s:.0f} s of audio; at most {longest_s:g} s are possible"
        raise AudioTooLong(message, param=param)
