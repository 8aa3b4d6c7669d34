"""The app of the engine, with the engine itself running behind it: here its parts are put together."""

from __future__ import annotations

import logging
import sys
import time
from functools import partial

from flask import Flask

from servers.backends.load import backend_class, check_models, with_dtype
from servers.catalog import Catalog
from servers.engine.device import PREDECESSOR_MARGIN_S, find_device, patiently
from servers.engine.fleet import Fleet
from servers.engine.housekeeping import Housekeeping
from servers.engine.http import jobs, models
from servers.engine.inbox import Inbox
from servers.engine.loop import Loop
from servers.engine.model_control import ModelControl
from servers.engine.news import News
from servers.engine.playback import Playback
from servers.engine.process import RunnerProcess
from servers.engine.runner_events import RunnerEvents
from servers.engine.runs import Runs
from servers.engine.service import Service
from servers.engine.submission import JobFactory
from servers.jobs.durations import MODEL_LOAD, Durations
from servers.jobs.results import Results
from servers.jobs.saves import Saves
from servers.jobs.store import Store
from servers.settings import Settings, SettingsError, settings
from servers.speech import ModelSpec
from servers.texts import endpoints as texts
from servers.trained_voices import TrainedVoices
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
    catalog = Catalog.load(config.models_file, TrainedVoices(config.data_dir))
    check_models(catalog, config.models_file, config.backends_path)
    store = _held(Store(config.queue_url), config.engine.drain_s + PREDECESSOR_MARGIN_S)
    app = create_web_app("engine", [jobs.bp, texts.bp, models.bp], internal=True)
    _assemble(app, config, catalog, store).start()
    return app


def _assemble(app: Flask, config: Settings, catalog: Catalog, store: Store) -> Loop:
    limits, device = config.engine, find_device(config.engine.device)
    backends = partial(backend_class, search_path=config.backends_path)
    news, inbox = News(), Inbox()
    results, saves = Results(config.data_dir), Saves(config.data_dir)
    runs = Runs(store, results, saves, news, limits.max_attempts, time.time, time.monotonic)

    def start(model: ModelSpec) -> RunnerProcess:
        chosen = with_dtype(model, backends(model.backend), limits.dtype)
        return RunnerProcess(
            chosen, device.name, config.backends_path, limits.warmup_text, events.hear, time.monotonic
        )

    note_load = partial(Durations(config.data_dir).note, MODEL_LOAD)
    fleet = Fleet(catalog, backends, limits, device, start, time.monotonic, note_load)
    events: RunnerEvents = RunnerEvents(store, fleet, runs, news, inbox, limits.max_attempts, time.time)
    housekeeping = Housekeeping(config, store, results, saves, news, time.time)
    loop = Loop(limits, store, backends, fleet, runs, events, housekeeping, news, inbox)
    service = Service(JobFactory(config, catalog), store, loop, runs.live, news, limits, device)
    app.extensions[jobs.SERVICE] = service
    app.extensions[jobs.PLAYBACK] = Playback(service.get, runs.live, results, news)
    app.extensions[models.CONTROL] = ModelControl(
        catalog, config.backends_path, loop, news, limits.load_timeout_s
    )
    on_terminate(app, loop.drain)
    return loop


def _held(store: Store, patience_s: float) -> Store:
    """The store, once a predecessor has let go of it. Raises SettingsError."""
    if not patiently(store.hold, patience_s):
        raise SettingsError("database_url: another engine runs the jobs of this queue; two cannot share it")
    return store
