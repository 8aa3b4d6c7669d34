"""The app of a server in front of the engine: its blueprints, keys required, and its requests."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from flask import Blueprint, Flask

from servers.catalog import Catalog
from servers.cloned_voices import ClonedVoices
from servers.jobs.client import JobsClient
from servers.jobs.requests import Requests
from servers.settings import Settings, settings
from servers.trained_voices import TrainedVoices
from servers.web import readiness, recordings, requester
from servers.web.app import create_app

SPEAKING, LISTENING = "tts", "whisperx"
"""The sections of the settings that say who speaks and who listens, whichever server is asked."""
log = logging.getLogger(__name__)


def create_door(
    name: str,
    blueprints: Sequence[Blueprint],
    client: JobsClient | None = None,
    *,
    asks: str | None = None,
    mounted: bool = True,
) -> Flask:
    """The door of that section of the settings; it asks the models of `asks`, or its own.

    `mounted`: its routes are also at /<name>/…. Raises SettingsError or UnknownModel if a model that is asked
    by default is not in models.yaml.
    """
    app = create_app(name, [readiness.bp, *blueprints], prefix=name if mounted else None)
    asks = asks or name
    engine = client or JobsClient(settings().engine_socket, data_dir=settings().data_dir)
    catalog = Catalog.load(settings().models_file, TrainedVoices(settings().data_dir))
    own = _requests(asks, engine, catalog, settings())
    for each in own.preferred.passed_over:
        fields = {"action": "passed_over", "model_type": each.model_type}
        log.warning("a model is not asked: %s", each.error.message, extra=fields)
    made = {door: partial(_requests, door, engine, catalog, settings()) for door in (SPEAKING, LISTENING)}
    requester.install(app, own, {door: make for door, make in made.items() if door != asks})
    recordings.install(app)
    readiness.install(app)
    return app


def _requests(door: str, engine: JobsClient, catalog: Catalog, loaded: Settings) -> Requests:
    voices = ClonedVoices(loaded.data_dir, loaded.limits.max_cloned_voices)
    return Requests(engine, catalog, getattr(loaded, door), loaded.limits, voices, loaded.backends_path)
