"""What `skylark models` does: the models of models.yaml, and the checkpoints that they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from servers.catalog import Catalog
from servers.checkpoints import folder_of, locate
from servers.checkpoints.catalogue import Catalogue
from servers.checkpoints.entries import CheckpointSpec
from servers.checkpoints.folders import pulled, size, state
from servers.checkpoints.from_any import pull_from_any
from servers.checkpoints.from_any import remove as remove_checkpoint
from servers.checkpoints.sources import Listing
from servers.checkpoints.verify import Hashes, faults, read_manifest
from servers.cli.failures import CommandFailed
from servers.cli.output import advance, complain, print_json, print_table, progress
from servers.errors import ModelLoadFailed, UnknownCheckpoint
from servers.settings import settings

MODEL_COLUMNS = ("model", "checkpoint", "state", "size", "licence", "folder")
CHECKPOINT_COLUMNS = ("to pull", "state", "size", "licence", "from")


def list_models(*, json: bool) -> None:
    """Prints the models of models.yaml with their checkpoints, and the checkpoints that can be pulled."""
    known = _catalogue()
    models = [
        {
            "model": "/".join(spec.key),
            "checkpoints": [_described(name, known) for name in known.needed_by(spec)],
        }
        for spec in Catalog.load(settings().models_file)
    ]
    checkpoints = [_described(name, known) for name in known.specs]
    if json:
        print_json(
            {"models_dir": str(settings().models_folder), "models": models, "checkpoints": checkpoints}
        )
        return
    print_table(MODEL_COLUMNS, _model_rows(models))
    print()
    print_table(
        CHECKPOINT_COLUMNS, (_row(one, ("name", "state", "size", "licence", "from")) for one in checkpoints)
    )


def _described(name: str, known: Catalogue) -> dict[str, Any]:
    folder, spec = folder_of(name), known.specs.get(name)
    return {
        "name": name,
        "folder": str(folder),
        "state": str(state(folder)),
        "bytes": size(folder),
        "size_mb": None if spec is None else spec.size_mb,
        "licence": None if spec is None else spec.licence,
        "from": None if spec is None else spec.place,
    }


def _model_rows(models: Iterable[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for model in models:
        for one in model["checkpoints"]:
            yield model["model"], *_row(one, ("name", "state", "size", "licence", "folder"))
        if not model["checkpoints"]:
            yield model["model"], "none needed", *("-",) * 4


def _row(one: dict[str, Any], keys: Iterable[str]) -> tuple[str, ...]:
    there = one["bytes"] or one["size_mb"] is None
    shown = one | {"size": _mb(one["bytes"]) if there else f"about {one['size_mb']:,} MB"}
    return tuple(str(shown[key] or "-") for key in keys)


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def pull(names: Iterable[str], source: str | None = None) -> None:
    """With a source, from there alone.

    Raises UnknownCheckpoint, UnknownSource, and PullFailed where one did not arrive whole.
    """
    wanted = _catalogue().to_pull(names, settings().models_file)
    if source is not None:
        wanted = {name: spec.only_from(source) for name, spec in wanted.items()}
    for name, spec in wanted.items():
        folder = folder_of(name)
        with _Shown(name) as shown:
            manifest = pull_from_any(spec, folder, settings().hub_url, shown.progress, shown.say)
        pinned = ", pinned by this first pull" if manifest.hashes is Hashes.FIRST_PULL else ""
        print(f"{name}  {len(manifest.files)} files, {_mb(manifest.bytes)}, in {folder}{pinned}")


def remove(names: Iterable[str]) -> None:
    """Raises UnknownCheckpoint, before anything is deleted, for a name that is no checkpoint's."""
    known = [*_catalogue().specs, *pulled()]
    names = list(dict.fromkeys(names))
    if strange := [name for name in names if name not in known]:
        raise UnknownCheckpoint(
            f"no checkpoint is called {strange[0]!r}; pulled are {', '.join(pulled()) or 'none'}"
        )
    for name in names:
        freed = remove_checkpoint(folder_of(name), _Shown(name).say)
        print(f"{name}  removed, {_mb(freed)}")


class _Shown:
    """A pull, on stderr: a line for each source that is asked, and a bar where someone is looking and it is
    known how much is to come.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._listing: Listing | None = None
        self._bar: Progress | None = None

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def say(self, line: str) -> None:
        self._stop()
        complain(f"{self._name}: {line}")

    def progress(self, listing: Listing, count: int) -> None:
        if listing is not self._listing:
            self._begin(listing)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=count)

    def _begin(self, listing: Listing) -> None:
        self._stop()
        self._listing = listing
        how_much = "" if listing.bytes is None else f", {len(listing.files)} files, {_mb(listing.bytes)}"
        complain(f"pulling {self._name} from {listing.address}{how_much}")
        on_stderr = Console(stderr=True)
        if on_stderr.is_terminal and listing.bytes is not None:
            self._bar = Progress(*_columns(), console=on_stderr)
            self._bar.add_task(self._name, total=listing.bytes)
            self._bar.start()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )


def verify(names: Iterable[str]) -> None:
    """All that were pulled, if none is named. Raises CommandFailed for a file that is missing or another."""
    known = _catalogue()
    models_file = settings().models_file
    checkpoints = [one for name in names for one in known.named(name, models_file)] or pulled()
    if not checkpoints:
        raise CommandFailed(f"nothing was pulled into {settings().models_folder} yet")
    with progress(len(checkpoints), "hashing") as bar:
        bad = []
        for name in checkpoints:
            if not _verified(name, known.specs.get(name)):
                bad.append(name)
            advance(bar)
    if bad:
        raise CommandFailed(
            f"not as pulled: {', '.join(bad)}; mend with: skylark models pull {' '.join(bad)}"
        )


def _verified(name: str, spec: CheckpointSpec | None) -> bool:
    """Prints what it found."""
    try:
        found = list(faults(locate(name), {} if spec is None else spec.files))
    except ModelLoadFailed as error:
        found = [str(error)]
    for fault in found:
        print(f"{name}  {fault}")
    if not found:
        manifest = read_manifest(folder_of(name))
        assert manifest is not None
        print(f"{name}  ok: {len(manifest.files)} files, {_mb(manifest.bytes)}, {manifest.revision}")
    return not found


def _catalogue() -> Catalogue:
    return Catalogue.load(settings().checkpoints_file)
