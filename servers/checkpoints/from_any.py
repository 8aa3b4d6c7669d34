"""Pulling an entry of the catalogue from the first of its sources that brings it; the hashes decide."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from servers.checkpoints.entries import Archived, CheckpointSpec, Place, Repository
from servers.checkpoints.folders import State, size, state
from servers.checkpoints.lock import alone_in
from servers.checkpoints.pull import Progress, pull
from servers.checkpoints.sources import source_of
from servers.checkpoints.verify import Hashes, Manifest, StoredFile, last_manifest
from servers.errors import Conflict, MissingExtra, NotFound, PullFailed, SkylarkError, SourceUnreachable

COMMIT = re.compile("[0-9a-f]{40}")
Say = Callable[[str], None]
"""Told for whoever waits: that another pull is waited for, and why the next source is asked."""


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Pins:
    """What the files must be, where that is known, and the manifest of an earlier pull that still holds."""

    files: Mapping[str, StoredFile] = field(default_factory=dict)
    manifest: Manifest | None = None

    def satisfied_in(self, folder: Path) -> bool:
        """Is all there, with a manifest that says so?"""
        return (
            self.manifest is not None
            and self.manifest.files == self.files
            and state(folder) is State.PRESENT
            and all(file.is_at(folder / name) for name, file in self.files.items())
        )


def pull_from_any(
    spec: CheckpointSpec,
    folder: Path,
    hub_url: str | None,
    progress: Progress | None = None,
    say: Say = _silent,
) -> Manifest:
    """What the entry says, in the folder, and its manifest. Where all is there already, no source is asked.

    Raises StorageFailed and Conflict at once, and else what the only source raised, or a PullFailed for all.
    """
    if there := _there(spec, folder):
        return there
    with alone_in(folder, say) as waited:
        if waited and (there := _there(spec, folder)):
            return there
        return _from_first(spec, folder, hub_url, progress, say)


def remove(folder: Path, say: Say = _silent) -> int:
    """Deletes a checkpoint with all that is in its folder; the bytes that it had.

    Raises NotFound where there is none, and Conflict where no pull has left it.
    """
    with alone_in(folder, say):
        match state(folder):
            case State.MISSING:
                raise NotFound(f"no checkpoint at {folder}")
            case State.UNLISTED:
                raise Conflict(f"no pull has left {folder}: delete it yourself if nobody needs it")
        freed = size(folder)
        shutil.rmtree(folder)
    return freed


def _there(spec: CheckpointSpec, folder: Path) -> Manifest | None:
    pins = _pins(spec, folder)
    return pins.manifest if pins.satisfied_in(folder) else None


def _from_first(
    spec: CheckpointSpec, folder: Path, hub_url: str | None, progress: Progress | None, say: Say
) -> Manifest:
    """From the first source that brings it."""
    pins = _pins(spec, folder)
    hashes = Hashes.CATALOGUE if spec.hashed else Hashes.FIRST_PULL
    failures: list[SkylarkError] = []
    for place in spec.sources:
        if failures:
            say(f"{failures[-1].message}; trying the next source")
        try:
            wanted = place if spec.hashed else _pinned(place, pins)
            source = source_of(wanted, hub_url, folder.name, pins.files)
            return pull(source, folder, progress, pins.files, hashes)
        except (PullFailed, MissingExtra) as error:
            failures.append(error)
    raise failures[0] if len(failures) == 1 else _all_failed(failures)


def _pins(spec: CheckpointSpec, folder: Path) -> Pins:
    """By the first case that applies:

    1. The catalogue has the files' hashes.
    2. It has an archive's, and this one was pulled.
    3. It has none: the first pull's, unless the entry has come to name another commit.
    """
    manifest = last_manifest(folder)
    if spec.files:  # 1
        return Pins(spec.files, manifest)
    if manifest is None:
        return Pins()
    archives = {place.sha256 for place in spec.sources if isinstance(place, Archived)}
    moved = any(_moved(place, manifest) for place in spec.sources)
    holds = manifest.revision in archives if archives else not moved  # 2, 3
    return Pins(manifest.files, manifest) if holds else Pins()


def _moved(place: Place, manifest: Manifest) -> bool:
    commit = place.revision if isinstance(place, Repository) and COMMIT.fullmatch(place.revision) else None
    return commit is not None and commit != manifest.revision


def _pinned(place: Place, pins: Pins) -> Place:
    """The same place at the revision that was pulled, where it was pulled from there."""
    manifest = pins.manifest
    if isinstance(place, Repository) and manifest is not None and manifest.source.endswith(f"/{place.repo}"):
        return place.model_copy(update={"revision": manifest.revision})
    return place


def _all_failed(failures: Sequence[SkylarkError]) -> PullFailed:
    unreachable = all(isinstance(error, SourceUnreachable | MissingExtra) for error in failures)
    kind = SourceUnreachable if unreachable else PullFailed
    reasons = "; ".join(error.message for error in failures)
    return kind(f"none of its {len(failures)} sources brought it: {reasons}")
