"""espeak-ng's voices as its data files name them: to be told without loading the library."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from servers.backends._espeak_ng.abi import LibraryVoice

LANGUAGES, VARIANTS = "lang", "voices/!v"
GENDERS, MALE = {"male": 1, "female": 2}, 1
COMMENT = "//"


def data_folder() -> Path | None:
    """Where the package that brings the library has its data; None where it is not installed."""
    package = find_spec("espeakng_loader")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "espeak-ng-data"


def voices_in(folder: Path) -> list[LibraryVoice]:
    """What `Library.voices` lists, in another order."""
    return list(_read(folder / LANGUAGES, ""))


def variants_in(folder: Path) -> list[LibraryVoice]:
    """What `Library.variants` lists, in another order."""
    return list(_read(folder / VARIANTS, "!v/"))


def _read(folder: Path, prefix: str) -> Iterator[LibraryVoice]:
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line.partition(COMMENT)[0].split() for line in lines]
        yield LibraryVoice(
            name=next((" ".join(words[1:]) for words in said if words[:1] == ["name"]), file.name),
            identifier=prefix + file.relative_to(folder).as_posix(),
            languages=tuple(words[1].lower() for words in said if len(words) > 1 and words[0] == "language"),
            gender=next((GENDERS.get(words[1], MALE) for words in said if words[:1] == ["gender"]), MALE),
        )
