"""The app of the engine, with the engine itself running behind it."""

from __future__ import annotations

import logging
import sys

from flask import Flask

from servers.backends.load import check_models
from servers.catalog import Catalog
from servers.engine import api, models
from servers.engine.desk import Desk
from servers.engine.device import PREDECESSOR_MARGIN_S, find_device, patiently
from servers.engine.loop import Loop
from servers.engine.playback import Playback
from servers.jobs.store import Store
from servers.settings import Settings, SettingsError, settings
from servers.texts import endpoints as texts
from servers.web.app import create_app as create_web_app
from servers.web.app import on_terminate

BOOT_FAILED = 3  # gunicorn's code for a worker that need not be started again
log = logging.getLogger(__name__)


def create_app() -> Flask:
    """The app of a gunicorn worker, with the engine running behind it."""
    try:
        return _create(settings())
    except SettingsError as error:
        log.critical("%s", error, extra={"action": "refuse_start"})
        sys.exit(BOOT_FAILED)


def _create(config: Settings) -> Flask:
    device = find_device(config.engine.device)
    catalog = Catalog.load(config.models_file)
    check_models(catalog, config.models_file, config.backends_path)
    store = _held(Store(config.queue_url), config.engine.drain_s + PREDECESSOR_MARGIN_S)
    loop = Loop(config, store, catalog, device)
    app = create_web_app("engine", [api.bp, texts.bp, models.bp], internal=True)
    desk = Desk(config, store, catalog, device, loop)
    app.extensions[api.DESK] = desk
    app.extensions[api.PLAYBACK] = Playback(loop, desk.get)
    app.extensions[models.EXTENSION] = models.ModelDesk(config, catalog, loop)
    on_terminate(app, loop.drain)
    loop.start()
    return app


def _held(store: Store, patience_s: float) -> Store:
    """The store, once a predecessor has let go of it. Raises SettingsError."""
    if not patiently(store.hold, patience_s):
        raise SettingsError("database_url: another engine runs the jobs of this queue; two cannot share it")
    return store
