"""The files that a job names: where they may lie, and what may be there. Whoever opens one looks again."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from servers.errors import InvalidRequest, UnsupportedAudio
from servers.nofollow import NotRegular, kind_of
from servers.settings import ROOT

FILES = (stat.S_IFREG, None)  # or nothing yet
FILES_AND_FOLDERS = (*FILES, stat.S_IFDIR)


def below_roots(path: str, roots: Sequence[Path], param: str) -> Path:
    """The path under the folder that its root really is: a root may be a link, and no other is followed.

    Raises InvalidRequest for a relative path, one with "..", a NUL byte or a link, or one that is elsewhere.
    """
    if "\0" in path:
        raise InvalidRequest(f"{param!r} holds a NUL byte", param=param)
    asked = Path(path).expanduser()
    if not asked.is_absolute() or ".." in asked.parts:
        raise InvalidRequest(f"{param!r} must be an absolute path without '..'", param=param)
    found = _below(asked, roots)
    if found is None:
        known = ", ".join(str(root) for root in roots)
        raise InvalidRequest(f"{param!r} must lie under one of: {known}", param=param)
    _kind_of(found, param)
    return found


def anywhere(path: Path) -> Path:
    """The path as it is once its links are followed, for whoever may read every file of the machine."""
    return Path(os.path.realpath(ROOT / path))


def check_kind(path: Path, param: str, *, is_audio: bool) -> None:
    """What is there must be a regular file, or nothing yet; where it is no audio, it may be a folder.

    Raises UnsupportedAudio or InvalidRequest.
    """
    kind = _kind_of(path, param)
    if kind not in (FILES if is_audio else FILES_AND_FOLDERS):
        error = UnsupportedAudio if is_audio else InvalidRequest
        raise error(f"{param!r} cannot be opened: {NotRegular(kind or 0).strerror}", param=param)


def _below(asked: Path, roots: Sequence[Path]) -> Path | None:
    """By the innermost root: one that lies below another may be a link there."""
    real = {root: Path(os.path.realpath(root)) for root in roots}
    named = [(form, to) for root, to in real.items() for form in (root, to) if asked.is_relative_to(form)]
    form, to = max(named, key=lambda each: len(each[0].parts), default=(None, asked))
    return None if form is None else to / asked.relative_to(form)


def _kind_of(path: Path, param: str) -> int | None:
    try:
        return kind_of(path)
    except OSError as error:
        raise InvalidRequest(f"{param!r} cannot be: {error.strerror}", param=param) from error
