"""config/models.yaml → ModelSpec: which models can be asked for, and which is a backend's default;
beside them the voices that were trained here.

The file is made on the first run, from config/models.example.yaml, and is its user's from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from servers.atomic import create_atomically
from servers.errors import UnknownModel
from servers.settings import ROOT, SettingsError
from servers.speech import ModelSpec
from servers.trained_voices import BACKEND, TrainedVoice
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
    """The models by backend, in the file's order; `trained` may have others at any time."""

    entries: dict[str, Entry]
    trained: Iterable[TrainedVoice] = field(default=(), compare=False)

    @classmethod
    def load(cls, path: Path, trained: Iterable[TrainedVoice] = ()) -> Catalog:
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
        return cls(parsed.backends, trained)

    def resolve(self, backend: str, model: str | None = None) -> ModelSpec:
        """The model of that name, or the backend's default. Raises UnknownModel listing the known ones."""
        if backend == BACKEND and (found := self._trained(model)) is not None:
            return found
        if backend not in self.entries:
            known = ", ".join(self.entries)
            raise UnknownModel(f"no model_type {backend!r}; known are {known}", param="model_type")
        entry = self.entries[backend]
        name = model or entry.default
        if name not in entry.models:
            known = ", ".join(entry.models)
            raise UnknownModel(f"{backend} has no model {name!r}; known are {known}", param="model")
        listed = entry.models[name]
        return ModelSpec(
            backend=backend,
            name=name,
            options=listed.model_extra or {},
            venv=entry.venv,
            **listed.model_dump(include=set(Model.model_fields)),
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
        yield from self.listed()
        yield from map(self._spec, self.trained)

    def listed(self) -> Iterator[ModelSpec]:
        """Those of the file."""
        return (
            self.resolve(backend, name) for backend, entry in self.entries.items() for name in entry.models
        )

    def _trained(self, name: str | None) -> ModelSpec | None:
        return next((self._spec(voice) for voice in self.trained if voice.id == name), None)

    def _spec(self, voice: TrainedVoice) -> ModelSpec:
        """It takes what the backend's default takes: a voice is as large as the checkpoint it was made of."""
        entry = self.entries.get(BACKEND)
        return ModelSpec(
            backend=BACKEND,
            name=voice.id,
            options={"checkpoint": str(voice.checkpoint)},
            venv=entry.venv if entry else None,
            vram_mb=entry.models[entry.default].vram_mb if entry else 0,
        )


def _make(path: Path) -> None:
    """Whole or not at all, though several servers start at once. Raises OSError."""
    if create_atomically(path, EXAMPLE.read_bytes(), mode=0o644):
        log.info("%s was made; it lists the models that can be asked for", path, extra={"action": "init"})
