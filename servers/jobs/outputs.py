"""Result files where a client wants them: under the allowed roots only, and whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from servers.atomic import write_atomically
from servers.audio.encode import FORMATS, encode
from servers.errors import InvalidRequest

TEXTS = ("txt", "json")


def check_path(path: str, roots: Sequence[Path], param: str) -> Path:
    """The path with its links followed, once it is under one of the roots.

    Raises InvalidRequest for a relative path, one with "..", a NUL byte, a link that leads out, or a folder
    that does not exist.
    """
    if "\0" in path:
        raise InvalidRequest(f"{param!r} holds a NUL byte", param=param)
    asked = Path(path).expanduser()
    if not asked.is_absolute() or ".." in asked.parts:
        raise InvalidRequest(f"{param!r} must be an absolute path without '..'", param=param)
    found = Path(os.path.realpath(asked))
    if not any(found.is_relative_to(os.path.realpath(root)) for root in roots):
        known = ", ".join(str(root) for root in roots)
        raise InvalidRequest(f"{param!r} must lie under one of: {known}", param=param)
    return found


def check_output(path: str, speaks: bool, roots: Sequence[Path], param: str) -> Path:
    """`check_path`, and the file's kind and folder must be possible for what the job makes."""
    found = check_path(path, roots, param)
    kinds = FORMATS if speaks else TEXTS
    if found.suffix.removeprefix(".") not in kinds:
        raise InvalidRequest(f"{param!r} must end in one of: .{', .'.join(kinds)}", param=param)
    if not found.parent.is_dir():
        raise InvalidRequest(f"{param!r}: there is no folder {found.parent}", param=param)
    return found


def write_output(path: Path, result: Mapping[str, Any], pcm: Path | None = None) -> None:
    """The audio in `pcm` in the format of the file's ending, or a transcript as text or JSON.

    Raises OSError.
    """
    kind = path.suffix.removeprefix(".")
    if kind == "txt":
        content = f"{result['text']}\n".encode()
    elif kind == "json":
        content = json.dumps(dict(result), ensure_ascii=False, indent=2).encode()
    else:
        assert pcm is not None  # as `check_output` has seen to
        content = encode(np.fromfile(pcm, dtype="<i2"), result["sample_rate"], kind)
    write_atomically(path, content, mode=0o644)  # the client may be another user
