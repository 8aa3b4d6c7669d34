"""Result files where a client wants them: under the allowed roots only, and whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from servers.atomic import unfinished
from servers.audio.encode import ENDINGS, check_format, encode
from servers.errors import InvalidRequest
from servers.jobs.named_files import below_roots
from servers.nofollow import folder_of

TEXTS = ("txt", "json")


def check_output(path: str, speaks: bool, roots: Sequence[Path], param: str) -> Path:
    """`below_roots`, and the file's kind and folder must be possible for what the job makes.

    Raises InvalidRequest, and MissingExtra where its kind cannot be written here.
    """
    found = below_roots(path, roots, param)
    kinds = ENDINGS if speaks else TEXTS
    if found.suffix.removeprefix(".") not in kinds:
        raise InvalidRequest(f"{param!r} must end in one of: .{', .'.join(kinds)}", param=param)
    if speaks:
        check_format(found.suffix.removeprefix("."))
    if not found.parent.is_dir():
        raise InvalidRequest(f"{param!r}: there is no folder {found.parent}", param=param)
    return found


def write_output(path: Path, result: Mapping[str, Any], pcm: Path | None = None) -> None:
    """The audio in `pcm` in the format of the file's ending, or a transcript as text or JSON.

    Raises OSError, which is LinkInPath where a link has been put in the way since the path was checked.
    """
    kind = path.suffix.removeprefix(".")
    if kind == "txt":
        content = f"{result['text']}\n".encode()
    elif kind == "json":
        content = json.dumps(dict(result), ensure_ascii=False, indent=2).encode()
    else:
        assert pcm is not None  # as `check_output` has seen to
        content = encode(np.fromfile(pcm, dtype="<i2"), result["sample_rate"], kind)
    with folder_of(path) as folder, unfinished(folder, mode=0o644) as new:  # the client may be another user
        new.file.write(content)
        new.replace(path.name)
