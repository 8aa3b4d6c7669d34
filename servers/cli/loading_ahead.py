"""The models that the main job will ask, loaded while the one before works."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from servers.catalog import Catalog
from servers.cli.checks import preferred
from servers.errors import SkylarkError
from servers.jobs.client import JobsClient
from servers.settings import Settings
from servers.supervision.processes import DOORS

Tasks = Mapping[str, Iterable[str]]
"""What is asked of each door, by its name."""


def load_ahead(tasks: Tasks, language: str, loaded: Settings) -> None:
    """Returns at once. What keeps a model from being loaded is told to the request that needs it."""
    catalog = Catalog.load(loaded.models_file)
    models = [
        preferred(door, loaded, catalog).choose({"task": task, "language": language})
        for door in DOORS
        for task in tasks[door.name]
    ]
    names = ["/".join(model.key) for model in models]
    threading.Thread(target=_load, args=(loaded.engine_socket, names), daemon=True).start()


def _load(socket: Path, names: Iterable[str]) -> None:
    with closing(JobsClient(socket)) as engine:
        for name in names:
            try:
                engine.load_model(name)
            except SkylarkError:
                return
