"""skylark models: the models of models.yaml, and the checkpoints that they need."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from servers.atomic import write_atomically
from servers.catalog import Catalog
from servers.checkpoints import (
    MANIFEST,
    UNFINISHED,
    Manifest,
    faults,
    folder_of,
    locate,
    read_manifest,
    size,
    state,
)
from servers.cli import archives, options, sources
from servers.cli.hub import Hub
from servers.cli.output import (
    EXIT_CODES,
    CommandFailed,
    WrongUsage,
    advance,
    complain,
    print_json,
    print_table,
    progress,
)
from servers.cli.sources import Source, Sources
from servers.errors import ModelLoadFailed, UnknownModel
from servers.settings import settings
from servers.speech import ModelSpec

app = typer.Typer(help="Models and their checkpoints: list, pull, verify.", no_args_is_help=True)
MODEL_COLUMNS = ("model", "checkpoint", "state", "size", "licence", "folder")
CHECKPOINT_COLUMNS = ("to pull", "state", "size", "licence", "from")
Names = Annotated[
    list[str], typer.Argument(metavar="NAME…", help="Checkpoints, or models with what they need.")
]
AnyNames = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME…]", help="All that were pulled, if none.")
]


def list_models(json: options.Json = False) -> None:
    """Show the models of models.yaml with their checkpoints, and the checkpoints that can be pulled."""
    known = _sources()
    models = [
        {
            "model": "/".join(spec.key),
            "checkpoints": [_described(name, known) for name in _needed(spec, known)],
        }
        for spec in Catalog.load(settings().models_file)
    ]
    checkpoints = [_described(name, known) for name in known]
    if json:
        print_json({"models_dir": str(settings().models_dir), "models": models, "checkpoints": checkpoints})
        return
    print_table(MODEL_COLUMNS, _model_rows(models))
    print()
    print_table(
        CHECKPOINT_COLUMNS, (_row(one, ("name", "state", "size", "licence", "from")) for one in checkpoints)
    )


def _described(name: str, known: Sources) -> dict[str, Any]:
    folder, source = folder_of(name), known.get(name)
    return {
        "name": name,
        "folder": str(folder),
        "state": str(state(folder)),
        "bytes": size(folder),
        "size_mb": None if source is None else source.size_mb,
        "licence": None if source is None else source.licence,
        "from": None if source is None else source.place,
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


def pull(names: Names) -> None:
    """Fetch checkpoints into the models folder; a pull that stopped goes on where it was."""
    for name, source in _to_pull(names, _sources()):
        folder = folder_of(name)
        manifest = _pulled(name, source, folder)
        shutil.rmtree(folder / UNFINISHED)
        write_atomically(folder / MANIFEST, manifest.model_dump_json(indent=2).encode())
        print(f"{name}  {len(manifest.files)} files, {_mb(_bytes(manifest))}, in {folder}")


def _pulled(name: str, source: Source, folder: Path) -> Manifest:
    if source.url is not None:
        complain(f"pulling {name} from {source.url}")
        return archives.pull(source, folder)
    hub = Hub(settings().hub_url)
    listing = hub.list(source)
    _check_space(settings().models_dir, listing.bytes - size(folder))
    complain(f"pulling {name} from {source.repo}, {len(listing.files)} files, {_mb(listing.bytes)}")
    with _Bar(name, folder, listing.bytes):
        return hub.pull(listing, folder)


def _check_space(folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise CommandFailed(f"{folder}: {_mb(needed)} are to come, and {_mb(free)} are free")


class _Bar(Progress):
    """Follows the bytes in a folder, on stderr, where someone is looking."""

    def __init__(self, what: str, folder: Path, total: int) -> None:
        on_stderr = Console(stderr=True)
        self._folder = folder
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        super().__init__(*columns, console=on_stderr, disable=not on_stderr.is_terminal)
        self.add_task(what, total=total)

    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.tasks:
            self.update(task.id, completed=size(self._folder))
        yield from super().get_renderables()


def _to_pull(names: Iterable[str], known: Sources) -> Iterable[tuple[str, Source]]:
    """The checkpoints of those names, or that the models of those names need, once each.

    Raises WrongUsage for a name that is neither, and for a model that needs what cannot be pulled.
    """
    found = {}
    for name in names:
        for checkpoint in _checkpoints(name, known):
            if checkpoint not in known:
                raise WrongUsage(
                    f"{name} needs {checkpoint}, which {settings().checkpoints_file} does not have"
                )
            found[checkpoint] = known[checkpoint]
    return found.items()


def _checkpoints(name: str, known: Sources) -> list[str]:
    if name in known:
        return [name]
    try:
        spec = Catalog.load(settings().models_file).find(name)
    except UnknownModel as error:
        raise WrongUsage(
            f"no checkpoint is called {name!r}; known are {', '.join(known)}; and {error}"
        ) from None
    needed = _needed(spec, known)
    if not needed:
        raise WrongUsage(f"{'/'.join(spec.key)} needs no checkpoint")
    return needed


def _needed(spec: ModelSpec, known: Sources) -> list[str]:
    """The checkpoints that a model's options name: `checkpoint`, and whatever has the name of a known one."""
    own = [spec.options["checkpoint"]] if isinstance(spec.options.get("checkpoint"), str) else []
    return list(dict.fromkeys(own + [text for text in _texts(spec.options) if text in known]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def verify(names: AnyNames = None) -> None:
    """Hash every file of checkpoints again; the exit code is 1 when one is missing, changed or extra."""
    known = _sources()
    checkpoints = [one for name in names or () for one in _checkpoints(name, known)] or _all_pulled()
    if not checkpoints:
        raise CommandFailed(f"nothing was pulled into {settings().models_dir} yet")
    with progress(len(checkpoints), "hashing") as bar:
        bad = []
        for name in checkpoints:
            if not _verified(name):
                bad.append(name)
            advance(bar)
    if bad:
        raise CommandFailed(
            f"not as pulled: {', '.join(bad)}; mend with: skylark models pull {' '.join(bad)}"
        )


def _all_pulled() -> list[str]:
    return sorted(manifest.parent.name for manifest in settings().models_dir.glob(f"*/{MANIFEST}"))


def _verified(name: str) -> bool:
    """Prints what it found."""
    try:
        found = list(faults(locate(name)))
    except ModelLoadFailed as error:
        found = [str(error)]
    for fault in found:
        print(f"{name}  {fault}")
    if not found:
        manifest = read_manifest(folder_of(name))
        assert manifest is not None
        print(f"{name}  ok: {len(manifest.files)} files, {_mb(_bytes(manifest))}, {manifest.revision}")
    return not found


def _bytes(manifest: Manifest) -> int:
    return sum(file.bytes for file in manifest.files.values())


def _sources() -> Sources:
    return sources.load(settings().checkpoints_file)


app.command("list", epilog=EXIT_CODES)(list_models)
for command in (pull, verify):
    app.command(epilog=EXIT_CODES)(command)
