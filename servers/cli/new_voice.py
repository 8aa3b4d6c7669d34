"""What `skylark voice new` does: recordings are listened to, and cut into a data set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from servers.cli.client import Servers
from servers.cli.failures import CommandFailed, WrongUsage
from servers.cli.output import complain, describe, listening
from servers.datasets.clips import check
from servers.datasets.recordings import Cut, Recordings
from servers.datasets.report import Report
from servers.errors import SkylarkError, StorageFailed

AUDIO = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".m4a", ".mp4", ".webm", ".aac"}


def make(servers: Servers, recordings: Iterable[Path], folder: Path, language: str | None) -> Report:
    """The report on the data set, which lies in `folder` then, and beside it as a zip.

    Raises WrongUsage where there is no recording, or something is in the folder's place, and CommandFailed
    where none of them can be listened to. Nothing of the data set is left then, nor after another error.
    """
    files = list(_files(recordings))
    if not files:
        raise WrongUsage(f"there is no audio in it: {', '.join(sorted(AUDIO))} are looked for")
    try:
        made = Recordings(folder)
    except FileExistsError as error:
        raise WrongUsage(f"{error.filename} is there already: --out names another folder") from None
    try:
        _listen(servers, files, made, language)
        packed = made.finish()
        report = check(folder)
    except BaseException:
        made.forget()
        raise
    complain(f"{folder} is the data set, and {packed} its zip")
    return report


def _listen(servers: Servers, files: list[Path], made: Recordings, language: str | None) -> None:
    failed = 0
    with listening(len(files), "listening") as show:
        for done, file in enumerate(files):
            try:
                heard = servers.transcribe(file, language=language, seen=partial(show, done))
                _tell(file, made.add(file, heard))
            except StorageFailed:  # so would the next one
                raise
            except SkylarkError as error:
                failed += 1
                complain(f"{file}: {describe(error)}")
            show(done + 1, None)
    if failed == len(files):
        raise CommandFailed("none of the recordings could be listened to")


def _files(recordings: Iterable[Path]) -> Iterable[Path]:
    for path in recordings:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in AUDIO)
        else:
            yield path


def _tell(file: Path, cuts: list[Cut]) -> None:
    kept = sum(cut.why_not is None for cut in cuts)
    complain(f"{file}: {kept} of {len(cuts)} segments")
    for cut in cuts:
        if cut.why_not is not None:
            complain(f"{file}: {cut.start:.1f} to {cut.end:.1f} s is left out: {cut.why_not}")
