"""config/checkpoints.yaml: the checkpoints that can be pulled, from where, and under which licence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from servers.catalog import Catalog
from servers.errors import UnknownCheckpoint, UnknownModel
from servers.settings import SettingsError
from servers.speech import ModelSpec
from servers.yaml_files import read_yaml


class CheckpointSpec(BaseModel):
    """One entry: a repository of the hub, or an archive with its hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repo: str | None = None
    revision: str = "main"
    ignore: tuple[str, ...] = ()
    gated: bool = False
    url: str | None = None
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    unpack_to: str = "."
    licence: str
    size_mb: int = Field(ge=0)

    @model_validator(mode="after")
    def _from_one_place(self) -> CheckpointSpec:
        if (self.repo is None) == (self.url is None):
            raise ValueError("it needs a repo, or a url, and not both")
        if self.url is not None and self.sha256 is None:
            raise ValueError("with a url it needs a sha256")
        return self

    @field_validator("unpack_to")
    @classmethod
    def _inside(cls, folder: str) -> str:
        if Path(folder).is_absolute() or ".." in Path(folder).parts:
            raise ValueError("unpack_to must stay inside the checkpoint's folder")
        return folder

    @property
    def place(self) -> str:
        """Where it comes from, in short."""
        return self.repo or self.url or ""


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
