"""The app of the server that speaks."""

from __future__ import annotations

from flask import Flask

from servers import elevenlabs, openai
from servers.jobs.client import JobsClient
from servers.settings import settings
from servers.spoken import recall
from servers.tts import cloned, generate, health, speak, voices
from servers.web.door import create_door


def create_app(client: JobsClient | None = None) -> Flask:
    """The app of a gunicorn worker; tests give it a client of a stand-in engine."""
    own = [health.bp, generate.bp, speak.bp, voices.bp, cloned.bp]
    app = create_door("tts", [*own, *openai.BLUEPRINTS, *elevenlabs.BLUEPRINTS], client)
    recall.install(app, settings())
    speak.install(app, settings())
    return app
