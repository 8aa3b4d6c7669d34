"""The app of the server of voices of one's own."""

from __future__ import annotations

from flask import Flask

from servers.finetune import design, health, operations, storage
from servers.jobs.client import JobsClient
from servers.web.door import SPEAKING, create_door


def create_app(client: JobsClient | None = None) -> Flask:
    """The app of a gunicorn worker; tests give it a client of a stand-in engine.

    It is not at /finetune/… as well: /finetune is where a training is begun.
    """
    app = create_door(
        "finetune", [health.bp, operations.bp, storage.bp, design.bp], client, asks=SPEAKING, mounted=False
    )
    operations.install(app)
    return app
