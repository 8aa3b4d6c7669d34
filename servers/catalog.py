"""config/models.yaml → ModelSpec: which models can be asked for, and which is a backend's default.

The file is made on the first run, from config/models.example.yaml, and is its user's from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from servers.atomic import create_atomically
from servers.errors import UnknownModel
from servers.settings import ROOT, SettingsError
from servers.speech import ModelSpec
from servers.yaml_files import read_yaml

DEFAULT, EXAMPLE = ROOT / "config" / "models.yaml", ROOT / "config" / "models.example.yaml"
log = logging.getLogger(__name__)


class Entry(BaseModel):
    """A backend's models by name; each holds that backend's own options and what any model may say."""

    model_config = ConfigDict(extra="forbid")

    default: str
    venv: Path | None = None
    models: dict[str, Model] = Field(min_length=1)


class Model(BaseModel):
    """What any model may say; the rest are options, which its backend checks."""

    model_config = ConfigDict(extra="allow")

    vram_mb: int = Field(default=0, ge=0)
    pin: bool = False
    preload: bool = False


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    backends: dict[str, Entry] = Field(min_length=1)


@dataclass(frozen=True)
class Catalog:
    """The models by backend, in the file's order."""

    entries: dict[str, Entry]

    @classmethod
    def load(cls, path: Path) -> Catalog:
        """Makes the default file if it is missing. Raises SettingsError naming file and key at fault."""
        try:
            if path == DEFAULT and not path.exists():
                _make(path)
        except OSError as error:
            raise SettingsError(f"{path}: {error.strerror} (models_file)") from None
        parsed = read_yaml(path, File, setting="models_file")
        for name, entry in parsed.backends.items():
            if entry.default not in entry.models:
                known = ", ".join(entry.models)
                raise SettingsError(
                    f"{path}: backends.{name}.default: {entry.default!r} is not one of {known}"
                )
        return cls(parsed.backends)

    def resolve(self, backend: str, model: str | None = None) -> ModelSpec:
        """The model of that name, or the backend's default. Raises UnknownModel listing the known ones."""
        if backend not in self.entries:
            known = ", ".join(self.entries)
            raise UnknownModel(f"no model_type {backend!r}; known are {known}", param="model_type")
        entry = self.entries[backend]
        name = model or entry.default
        if name not in entry.models:
            known = ", ".join(entry.models)
            raise UnknownModel(f"{backend} has no model {name!r}; known are {known}", param="model")
        found = entry.models[name]
        return ModelSpec(
            backend=backend,
            name=name,
            options=found.model_extra or {},
            venv=entry.venv,
            **found.model_dump(include=set(Model.model_fields)),
        )

    def find(self, name: str, prefer: str | None = None) -> ModelSpec:
        """The model called "name" or "backend/name"; of several with one name the one of backend `prefer`.

        Raises UnknownModel listing the known ones.
        """
        specs = sorted(self, key=lambda spec: spec.backend != prefer)
        for spec in specs:
            if name in (spec.name, "/".join(spec.key)):
                return spec
        known = ", ".join("/".join(spec.key) for spec in specs)
        raise UnknownModel(f"there is no model {name!r}; known are {known}", param="model")

    def __iter__(self) -> Iterator[ModelSpec]:
        return (
            self.resolve(backend, name) for backend, entry in self.entries.items() for name in entry.models
        )


def _make(path: Path) -> None:
    """Whole or not at all, though several servers start at once. Raises OSError."""
    if create_atomically(path, EXAMPLE.read_bytes(), mode=0o644):
        log.info("%s was made; it lists the models that can be asked for", path, extra={"action": "init"})
