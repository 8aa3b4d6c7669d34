"""The subtitles that a command writes of a transcript, beside or in place of what it prints."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from servers.atomic import write_atomically
from servers.cli.failures import WrongUsage

STANDARD_OUTPUT = Path("-")
Srt = Annotated[
    Path | None,
    typer.Option(
        "--srt", metavar="FILE", help="Write SubRip subtitles; - is standard output.", dir_okay=False
    ),
]
Vtt = Annotated[
    Path | None,
    typer.Option(
        "--vtt", metavar="FILE", help="Write WebVTT subtitles; - is standard output.", dir_okay=False
    ),
]


@dataclass(frozen=True)
class SubtitleFiles:
    """Where the subtitles of one recording go, if anywhere."""

    srt: Path | None
    vtt: Path | None

    def __bool__(self) -> bool:
        return bool(self.srt or self.vtt)

    def check(self, *, recordings: int = 1, json: bool) -> None:
        """Raises WrongUsage where two things would go to one place."""
        if self and recordings > 1:
            raise WrongUsage("--srt and --vtt take one recording at a time")
        if self.srt is not None and self.srt == self.vtt:
            raise WrongUsage(f"{self.srt} takes the subtitles of --srt or those of --vtt, not both")
        if json and STANDARD_OUTPUT in (self.srt, self.vtt):
            raise WrongUsage("standard output takes the subtitles or the JSON, not both")

    def write(self, transcript: dict[str, Any]) -> None:
        """`transcript` is a server's answer."""
        if not self:
            return
        from servers.text import subtitles  # the other commands do not wait for it

        cues = subtitles.cues_of_transcript(transcript)
        for file, write in ((self.srt, subtitles.srt), (self.vtt, subtitles.vtt)):
            if file == STANDARD_OUTPUT:
                sys.stdout.buffer.write(write(cues).encode())
            elif file is not None:
                write_atomically(file, write(cues).encode())
