"""From a backend's name to its class. The file's name is the registry: no list to edit.

A module whose name begins with an underscore is shared by backends, and is none itself.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

import servers.backends
from servers.backends.base import Backend
from servers.catalog import Catalog
from servers.errors import UnknownModel
from servers.settings import SettingsError
from servers.speech import ModelSpec
from servers.yaml_files import HALF_UNCOMMENTED

CONTRACT_MODULES = {"base", "load"}
AUTO = "auto"
_importing = threading.RLock()


def backend_class(name: str, search_path: Sequence[Path] = ()) -> type[Backend]:
    """The Backend subclass defined in `servers/backends/{name}.py`, or in a folder of `search_path`.

    Raises UnknownModel listing the known names.
    """
    return _find(name, tuple(search_path))


@cache
def _find(name: str, search_path: tuple[Path, ...]) -> type[Backend]:
    if name in _built_in():
        return _defined_in(importlib.import_module(f"servers.backends.{name}"))
    for folder in search_path:
        if name.isidentifier() and (folder / f"{name}.py").is_file():
            return _defined_in(_import_file(name, folder / f"{name}.py"))
    known = ", ".join(backend_names(search_path))
    raise UnknownModel(f"no backend is called {name!r}; known are {known}", param="model_type")


def check_models(catalog: Catalog, file: Path, search_path: Sequence[Path] = ()) -> None:
    """Raises SettingsError naming the file and the key for an unknown backend or option."""
    for model in catalog.listed():
        place = f"{file}: backends.{model.backend}"
        try:
            backend_class(model.backend, search_path).options.model_validate(model.options)
        except UnknownModel as error:
            raise SettingsError(
                f"{place}: {error}; one of your own is found once backends_path (config/skylark.yaml) names "
                f"the folder of {model.backend}.py, and else it is to be taken out of this file"
            ) from None
        except ValidationError as error:
            raise SettingsError(f"{place}.models.{_of_option(model, error, search_path)}") from None


def _of_option(model: ModelSpec, error: ValidationError, search_path: Sequence[Path]) -> str:
    """What is wrong with the first bad option of a model, for the end of a sentence."""
    fault = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in (model.name, *fault["loc"]))
    if fault["type"] != "extra_forbidden" or len(fault["loc"]) > 1:
        return f"{key}: {fault['msg']}"
    known = ", ".join(backend_class(model.backend, search_path).options.model_fields)
    some = f"its options are {known}" if known else "it has none"
    return f"{key}: a model of {model.backend} has no such option ({some}): {HALF_UNCOMMENTED}"


def with_dtype(model: ModelSpec, kind: type[Backend], dtype: str) -> ModelSpec:
    """The model computing in `dtype`, where it can be told in which and does not say it itself."""
    if dtype == AUTO or "dtype" not in kind.options.model_fields:
        return model
    if model.options.get("dtype", AUTO) != AUTO:
        return model
    return model.model_copy(update={"options": model.options | {"dtype": dtype}})


def backend_names(search_path: Sequence[Path] = ()) -> list[str]:
    extra = {file.stem for folder in search_path for file in folder.glob("*.py") if file.stem.isidentifier()}
    return sorted(_built_in() | extra - {"__init__"})


def _built_in() -> set[str]:
    names = {module.name for module in pkgutil.iter_modules(servers.backends.__path__)} - CONTRACT_MODULES
    return {name for name in names if not name.startswith("_")}


def _import_file(name: str, file: Path) -> ModuleType:
    """Threads that ask at the same time have the same module, and none of them half of one."""
    qualified = f"skylark_backends.{name}"
    with _importing:
        if qualified not in sys.modules:
            spec = importlib.util.spec_from_file_location(qualified, file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[qualified] = module
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[qualified]
                raise
        return sys.modules[qualified]


def _defined_in(module: ModuleType) -> type[Backend]:
    found = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Backend) and kind.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"{module.__name__} must define one Backend, found {len(found)}")
    return found[0]
