"""The app of the server that speaks."""

from __future__ import annotations

from flask import Flask

from servers import elevenlabs, openai
from servers.jobs.client import JobsClient
from servers.tts import generate, health
from servers.web.door import create_door


def create_app(client: JobsClient | None = None) -> Flask:
    """The app of a gunicorn worker; tests give it a client of a stand-in engine."""
    return create_door("tts", [health.bp, generate.bp, *openai.BLUEPRINTS, *elevenlabs.BLUEPRINTS], client)
