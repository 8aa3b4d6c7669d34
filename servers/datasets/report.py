"""What was found in a data set, line by line."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, computed_field

from servers.datasets.archive import FIELD
from servers.errors import InvalidDataset


class Code(StrEnum):
    NOT_JSON = "not_json"
    MISSING_FIELD = "missing_field"
    MISSING_AUDIO = "missing_audio"
    UNREADABLE_AUDIO = "unreadable_audio"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    SILENT = "silent"
    CLIPPED = "clipped"
    RESAMPLED = "resampled"
    SAME_AUDIO = "same_audio"
    SAME_TEXT = "same_text"
    NO_WORDS = "no_words"
    TOO_FAST = "too_fast"
    TOO_SLOW = "too_slow"
    UNSAID = "unsaid"
    NOT_ALIGNED = "not_aligned"
    BAD_REFERENCE = "bad_reference"
    OTHER_REFERENCE = "other_reference"


LEFT_OUT = frozenset(Code) - {Code.CLIPPED, Code.RESAMPLED, Code.SAME_TEXT, Code.OTHER_REFERENCE}
"""A line of which one of these is said is not trained with."""


class Finding(BaseModel):
    """`line` counts from 1; `audio` is as the line names it."""

    model_config = ConfigDict(frozen=True)

    line: int
    code: Code
    message: str
    audio: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def leaves_out(self) -> bool:
        return self.code in LEFT_OUT


class Report(BaseModel):
    """`lines` is how many there are, `kept` how many are trained with, which last `kept_s` seconds."""

    model_config = ConfigDict(frozen=True)

    lines: int
    kept: int
    kept_s: float
    reference: str | None
    """The recording that says whose voice it is, as the lines name it."""
    findings: list[Finding]

    def check_usable(self) -> None:
        """Raises InvalidDataset where no line can be used."""
        if not self.kept:
            left_out = (finding.message for finding in self.findings if finding.leaves_out)
            first = next(left_out, "train.jsonl is empty")
            raise InvalidDataset(f"none of its {self.lines} lines can be used: {first}", param=FIELD)
