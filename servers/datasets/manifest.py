"""train.jsonl: a JSON object in each line, with a recording, its text, and whose voice it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from servers.datasets.archive import FIELD, MANIFEST
from servers.datasets.report import Code, Finding
from servers.errors import InvalidDataset

LONGEST_LINE = 100_000


class Clip(BaseModel):
    """Paths are as the line has them, relative to the data set's folder. Other fields are not looked at."""

    model_config = ConfigDict(frozen=True, strict=True)

    audio: str
    text: str
    ref_audio: str
    line: int = 0


def read(folder: Path) -> Iterator[Clip | Finding]:
    """Each line that is not empty: its clip, or what is wrong with it. Raises InvalidDataset without one."""
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError:
        message = f"it has no {MANIFEST}: one is needed, with a line for each recording"
        raise InvalidDataset(message, param=FIELD) from None
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            yield _clip(number, line)


def _clip(number: int, line: bytes) -> Clip | Finding:
    if len(line) > LONGEST_LINE:
        message = f"the line has {len(line):,} bytes, and {LONGEST_LINE:,} are possible"
        return Finding(line=number, code=Code.NOT_JSON, message=message)
    try:
        found = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return Finding(line=number, code=Code.NOT_JSON, message=f"the line is not JSON: {error}")
    try:
        return Clip.model_validate(found).model_copy(update={"line": number})
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, told["loc"])) or "the line"
        message = f"{field}: {told['msg']}; audio, text and ref_audio are needed"
        return Finding(line=number, code=Code.MISSING_FIELD, message=message)
