"""Pulling an entry of the catalogue from the first of its sources that brings it; the hashes decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from servers.checkpoints.entries import Archived, CheckpointSpec, Place, Repository
from servers.checkpoints.folders import State, state
from servers.checkpoints.pull import Progress, pull
from servers.checkpoints.sources import source_of
from servers.checkpoints.verify import Hashes, Manifest, StoredFile, last_manifest
from servers.errors import MissingExtra, PullFailed, SkylarkError, SourceUnreachable

COMMIT = re.compile("[0-9a-f]{40}")
Skipped = Callable[[SkylarkError], None]
"""Told why the next source is asked."""


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
    skipped: Skipped | None = None,
) -> Manifest:
    """What the entry says, in the folder, and its manifest. Where all is there already, no source is asked.

    Raises StorageFailed at once, and else what the only source raised, or a PullFailed for them all.
    """
    pins = _pins(spec, folder)
    if pins.manifest is not None and pins.satisfied_in(folder):
        return pins.manifest
    hashes = Hashes.CATALOGUE if spec.hashed else Hashes.FIRST_PULL
    failures: list[SkylarkError] = []
    for place in spec.sources:
        if failures and skipped is not None:
            skipped(failures[-1])
        try:
            source = source_of(place if spec.hashed else _pinned(place, pins), hub_url)
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
