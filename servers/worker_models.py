"""The models of one streaming worker: what worker.yaml calls them, and the models.yaml of its engine.

worker.yaml's names are a family and a model of it in one word: piper-en-us-joe, qwen3-tts-1.7b-base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from servers.atomic import write_atomically
from servers.backends.base import SYNTHESIZE, Backend
from servers.backends.load import backend_class, backend_names, check_models
from servers.catalog import Catalog
from servers.errors import ModelLoadFailed, SkylarkError, UnknownModel
from servers.jobs.preferred import check_loadable
from servers.settings import Settings, SettingsError
from servers.speech import ModelSpec
from servers.worker_config import ModelManager

MOCK = ModelSpec(backend="mock", name="tone")
DEFAULT, PRELOAD = "model_manager.default_model_id", "model_manager.preload_model_ids"


@dataclass(frozen=True)
class WorkerModels:
    """The first of `wanted` is the default; all of them are loaded at the start."""

    wanted: tuple[ModelSpec, ...]
    known: tuple[ModelSpec, ...]
    """All that the worker can be asked for, those among them."""

    @property
    def model_types(self) -> list[str]:
        """Their backends, the default's first."""
        return list(dict.fromkeys(spec.backend for spec in self.wanted))

    def write(self, path: Path) -> None:
        """As a models.yaml."""
        head = "# The models of one streaming worker, made at each start from models_file and worker.yaml.\n"
        text = yaml.safe_dump({"backends": self._backends()}, sort_keys=False, allow_unicode=True)
        write_atomically(path, f"{head}{text}".encode())

    def _backends(self) -> dict[str, Any]:
        backends: dict[str, Any] = {}
        wanted = {spec.key for spec in self.wanted}
        for spec in (*self.wanted, *self.known):
            entry = backends.setdefault(spec.backend, {"default": spec.name, "models": {}})
            if spec.venv is not None:
                entry["venv"] = str(spec.venv)
            how = {"vram_mb": spec.vram_mb, "preload": spec.key in wanted}
            entry["models"].setdefault(spec.name, dict(spec.options) | how)
        return backends


class Names:
    """What the names of worker.yaml mean here. `catalog` is that of models_file."""

    def __init__(self, loaded: Settings) -> None:
        """Raises SettingsError for a models_file that cannot be used."""
        self._catalog, self._path = Catalog.load(loaded.models_file), loaded.backends_path
        check_models(self._catalog, loaded.models_file, self._path)
        self._names = backend_names(self._path)

    def of(self, manager: ModelManager, adapter: str | None, default: str | None) -> WorkerModels:
        """The default is `default`, else that of the file where it is the adapter's, else the adapter's own.

        Raises SettingsError naming the key, or the option, at fault.
        """
        first = self._default(manager, adapter, default)
        others = [self._named(name, PRELOAD) for name in manager.preload_model_ids]
        wanted = tuple({spec.key: spec for spec in (first, *others)}.values())
        for spec in wanted:
            self._check(spec)
        if len(wanted) > manager.resident_cap:
            names = ", ".join("/".join(spec.key) for spec in wanted)
            message = f"{manager.resident_cap} are fewer than are loaded at the start, which are {names}"
            raise SettingsError(f"model_manager.resident_cap: {message}")
        known = [spec for spec in self._catalog if self._speaks(spec.backend)]
        return WorkerModels(wanted, tuple(known))

    def _check(self, spec: ModelSpec) -> None:
        """Raises SettingsError for what it lacks here, as far as that can be told at once."""
        try:
            check_loadable(spec, self._kind(spec.backend))
        except SkylarkError as error:
            raise SettingsError(f"{'/'.join(spec.key)} cannot be loaded: {error.message}") from None

    def _default(self, manager: ModelManager, adapter: str | None, default: str | None) -> ModelSpec:
        if adapter is None:
            key, name = ("--default", default) if default else (DEFAULT, manager.default_model_id)
            return self._named(name, key)
        backend = self._adapter(adapter)
        if default is not None:
            named = self._named(default, "--default")
            if named.backend != backend:
                raise SettingsError(
                    f"--default: {default!r} is a model of {named.backend}, and not of {adapter}"
                )
            return named
        if self._family(manager.default_model_id) == backend:
            return self._named(manager.default_model_id, DEFAULT)
        return self._first_of(backend)

    def _adapter(self, adapter: str) -> str:
        backend = _as_backend(adapter)
        if backend not in self._names or not self._speaks(backend):
            raise SettingsError(f"--adapter: there is no backend {adapter!r} here: {self._possible()}")
        return backend

    def _possible(self) -> str:
        here = {name for name in (*backend_names(), *self._catalog.entries) if self._speaks(name)}
        more = "docs/backends.md tells how to add one, which backends_path then names"
        return f"possible are {', '.join(sorted(here))}; {more}"

    def _first_of(self, backend: str) -> ModelSpec:
        if backend == MOCK.backend and backend not in self._catalog.entries:
            return MOCK
        try:
            return self._catalog.resolve(backend)
        except UnknownModel as error:
            raise SettingsError(f"--adapter: models_file has no model of it: {error.message}") from None

    def _family(self, name: str) -> str | None:
        """The backend of a name: "backend/model" or "family-model"; the longest that fits."""
        plain = _as_backend(name.partition("/")[0])
        fits = [each for each in self._names if plain == each or plain.startswith(f"{each}_")]
        return max(fits, key=len, default=None)

    def _named(self, name: str, key: str) -> ModelSpec:
        """Raises SettingsError."""
        try:
            return self._catalog.find(name)
        except UnknownModel:
            backend = self._family(name)
        if backend is None or "/" in name or not self._speaks(backend):
            raise SettingsError(f"{key}: {name!r} is of no family that is here: {self._possible()}")
        try:
            return self._of_family(backend, name)
        except SkylarkError as error:
            raise SettingsError(f"{key}: {name!r}: {error.message}") from None

    def _of_family(self, backend: str, name: str) -> ModelSpec:
        """1. The backend's default; 2. its model of that name in models_file; 3. one with the checkpoint of
        that name, or else with that voice. Raises SkylarkError where there is none.
        """
        model = name[len(backend) + 1 :]
        if not model:
            return self._first_of(backend)  # 1.
        if backend in self._catalog.entries and model in self._catalog.entries[backend].models:
            return self._catalog.resolve(backend, model)  # 2.
        usual, kind = self._usual(backend), self._kind(backend)
        meant = {"checkpoint": name, "default_voice": model}
        given = {option: value for option, value in meant.items() if option in kind.options.model_fields}
        if not given:
            return usual.model_copy(update={"name": model})
        kept = {option: value for option, value in usual.options.items() if option not in meant}
        faults = []
        for option, value in given.items():  # 3.
            spec = usual.model_copy(update={"name": model, "options": kept | {option: value}})
            try:
                check_loadable(spec, kind)
            except SkylarkError as error:
                faults.append(error.message)
            except ValidationError:
                continue  # it does not go without the other one
            else:
                return spec
        raise ModelLoadFailed("; and ".join(faults))

    def _usual(self, backend: str) -> ModelSpec:
        """What a model of it has where nothing else is said."""
        if backend in self._catalog.entries:
            return self._catalog.resolve(backend)
        return ModelSpec(backend=backend, name=backend)

    def _speaks(self, backend: str) -> bool:
        return SYNTHESIZE in self._kind(backend).requests

    def _kind(self, backend: str) -> type[Backend]:
        return backend_class(backend, self._path)


def needs_gpu(models: WorkerModels, search_path: Sequence[Path]) -> bool:
    """Whether any that is loaded at the start computes on a GPU where there is one."""
    return any(backend_class(spec.backend, search_path).uses_gpu for spec in models.wanted)


def _as_backend(family: str) -> str:
    return family.replace("-", "_")
