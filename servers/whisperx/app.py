"""The app of the server that listens."""

from __future__ import annotations

from flask import Flask

from servers import openai
from servers.jobs.client import JobsClient
from servers.web.door import create_door
from servers.whisperx import health, transcripts


def create_app(client: JobsClient | None = None) -> Flask:
    """The app of a gunicorn worker; tests give it a client of a stand-in engine."""
    return create_door("whisperx", [health.bp, transcripts.bp, *openai.BLUEPRINTS], client)
