"""The app of a server in front of the engine: its blueprints, keys required, and its requests."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from flask import Blueprint, Flask

from servers.catalog import Catalog
from servers.jobs.client import JobsClient
from servers.jobs.requests import Requests
from servers.settings import Door, settings
from servers.web import readiness, requester
from servers.web.app import create_app

log = logging.getLogger(__name__)


def create_door(
    name: str, blueprints: Sequence[Blueprint], door: Door, client: JobsClient | None = None
) -> Flask:
    """Raises SettingsError or UnknownModel if the door's default model is not in models.yaml."""
    app = create_app(name, [readiness.bp, *blueprints], prefix=name)
    catalog = Catalog.load(settings().models_file)
    requests = Requests(
        client or JobsClient(settings().engine_socket, data_dir=settings().data_dir),
        catalog,
        door,
        settings().limits,
        settings().backends_path,
    )
    for each in requests.preferred.passed_over:
        log.warning(
            "%s is not asked: %s", each.model_type, each.error.message, extra={"action": "passed_over"}
        )
    requester.install(app, requests)
    readiness.install(app)
    return app
