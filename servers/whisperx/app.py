"""The app of the server that listens."""

from __future__ import annotations

from flask import Flask

from servers import openai
from servers.jobs.client import JobsClient
from servers.settings import settings
from servers.spoken import recall
from servers.web.door import create_door
from servers.whisperx import health, transcripts


def create_app(client: JobsClient | None = None) -> Flask:
    """The app of a gunicorn worker; tests give it a client of a stand-in engine."""
    app = create_door("whisperx", [health.bp, transcripts.bp, *openai.BLUEPRINTS], client)
    recall.install(app, settings())
    return app
