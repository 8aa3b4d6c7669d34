"""config/checkpoints.yaml: the checkpoints that can be pulled, by name, and which of them a model needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.catalog import Catalog
from servers.checkpoints.entries import CheckpointSpec
from servers.errors import UnknownCheckpoint, UnknownModel
from servers.settings import SettingsError
from servers.speech import ModelSpec
from servers.yaml_files import read_yaml


@dataclass(frozen=True)
class Catalogue:
    """The entries by name, in the file's order."""

    path: Path
    specs: Mapping[str, CheckpointSpec]

    @classmethod
    def load(cls, path: Path) -> Catalogue:
        """Raises SettingsError naming the file and the key at fault."""
        specs = read_yaml(path, dict[str, CheckpointSpec], setting="checkpoints_file")
        for name in specs:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
                raise SettingsError(
                    f"{path}: {name!r} is the name of a folder: letters, digits, dot, dash, underscore"
                )
        return cls(path, specs)

    def needed_by(self, model: ModelSpec) -> list[str]:
        """The checkpoints that its options name: `checkpoint`, and whatever has the name of a known one."""
        own = model.options.get("checkpoint")
        known = [text for text in _texts(model.options) if text in self.specs]
        return list(dict.fromkeys([own, *known] if isinstance(own, str) else known))

    def named(self, name: str, models_file: Path) -> list[str]:
        """The checkpoint of that name, or those that the model of that name needs.

        Raises UnknownCheckpoint for a name that is neither, and for a model that needs none.
        """
        if name in self.specs:
            return [name]
        try:
            model = Catalog.load(models_file).find(name)
        except UnknownModel as error:
            known = ", ".join(self.specs)
            raise UnknownCheckpoint(
                f"no checkpoint is called {name!r}; known are {known}; and {error}"
            ) from None
        needed = self.needed_by(model)
        if not needed:
            raise UnknownCheckpoint(f"{'/'.join(model.key)} needs no checkpoint")
        return needed

    def to_pull(self, names: Iterable[str], models_file: Path) -> dict[str, CheckpointSpec]:
        """The entries that those names stand for, once each.

        Raises UnknownCheckpoint as `named` does, and for a model that needs what cannot be pulled.
        """
        found = {}
        for name in names:
            for checkpoint in self.named(name, models_file):
                if checkpoint not in self.specs:
                    raise UnknownCheckpoint(f"{name} needs {checkpoint}, which {self.path} does not have")
                found[checkpoint] = self.specs[checkpoint]
        return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
