"""The app of the server that listens."""

from __future__ import annotations

from flask import Flask

from servers.jobs.client import JobsClient
from servers.jobs.uploads import Uploads
from servers.settings import settings
from servers.web.door import create_door
from servers.whisperx import health, recordings, transcripts


def create_app(client: JobsClient | None = None) -> Flask:
    """The app of a gunicorn worker; tests give it a client of a stand-in engine."""
    app = create_door("whisperx", [health.bp, transcripts.bp], settings().whisperx, client)
    app.extensions[recordings.EXTENSION] = Uploads(settings().data_dir)
    return app
