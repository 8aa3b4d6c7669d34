"""What would keep an appliance from starting, found before anything is started, and said in a sentence."""

from __future__ import annotations

import socket

from servers.backends.load import backend_class, check_models
from servers.catalog import Catalog
from servers.cli.failures import CommandFailed
from servers.errors import MissingExtra, ModelLoadFailed, SettingsError, UnknownModel
from servers.jobs.preferred import Preferred, check_loadable
from servers.settings import Settings
from servers.speech import ModelSpec
from servers.supervision.processes import DOORS, Process
from servers.web.keys import check_exposure


def check_settings(loaded: Settings) -> None:
    """Raises SettingsError for a model, a door or a key that cannot be."""
    catalog = Catalog.load(loaded.models_file)
    check_models(catalog, loaded.models_file, loaded.backends_path)
    for door in DOORS:
        check_exposure(door.address(loaded)[0], loaded)
        preferred(door, loaded, catalog)


def check_needed(loaded: Settings) -> None:
    """Raises CommandFailed for a package or a checkpoint that is needed from the first request on and is not
    here.
    """
    catalog = Catalog.load(loaded.models_file)
    for door in DOORS:
        for candidate in preferred(door, loaded, catalog).candidates:
            _check(loaded, candidate.spec, f"{door.name} asks it by default")
    for model in catalog:
        if model.pin or model.preload:
            _check(loaded, model, f"{loaded.models_file} has it loaded at the start")


def preferred(door: Process, loaded: Settings, catalog: Catalog) -> Preferred:
    """What the door asks by default. Raises SettingsError for a name that is no backend's or model's."""
    try:
        return Preferred.of(getattr(loaded, door.name), catalog, loaded.backends_path)
    except UnknownModel as error:
        raise SettingsError(
            f"{door.name}.{error.param}: {error.message}: choose one in config/skylark.yaml, or add it "
            f"to {loaded.models_file}"
        ) from None


def _check(loaded: Settings, model: ModelSpec, why: str) -> None:
    try:
        check_loadable(model, backend_class(model.backend, loaded.backends_path))
    except (MissingExtra, ModelLoadFailed) as error:
        raise CommandFailed(f"{'/'.join(model.key)} cannot be loaded, and {why}: {error.message}") from None


def check_free(
    process: Process, loaded: Settings, otherwise: str = "choose other ports with --port-base N"
) -> None:
    """Raises CommandFailed if something listens at the process's address, or nothing may."""
    host, port = process.address(loaded)
    try:
        family, _, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise CommandFailed(
            f"port {port} ({process.name}): {error.strerror}: end what uses it, or {otherwise}"
        ) from None
