"""The app of the server of voices of one's own."""

from __future__ import annotations

from flask import Flask

from servers.finetune import clone, design, finetune, health, infer, jobs, operations, storage
from servers.jobs.client import JobsClient
from servers.web.door import SPEAKING, create_door

BLUEPRINTS = [health.bp, operations.bp, storage.bp, design.bp, clone.bp, finetune.bp, jobs.bp, infer.bp]


def create_app(client: JobsClient | None = None) -> Flask:
    """The app of a gunicorn worker; tests give it a client of a stand-in engine.

    It is not at /finetune/… as well: /finetune is where a training is begun.
    """
    app = create_door("finetune", BLUEPRINTS, client, asks=SPEAKING, mounted=False)
    operations.install(app)
    finetune.install(app)
    jobs.install(app)
    if client is None:
        app.extensions[jobs.EXTENSION].start()
    return app
