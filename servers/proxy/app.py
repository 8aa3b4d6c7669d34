"""The app of the proxy."""

from __future__ import annotations

from flask import Flask

from servers.proxy import (
    allowance,
    conversions,
    files,
    jobs,
    listening,
    machine,
    security,
    speech,
    streams,
    upstream,
    visitors,
    welcome,
)
from servers.settings import settings
from servers.web.app import create_app as create_web_app

BLUEPRINTS = (files.bp, welcome.bp, speech.bp, listening.bp, conversions.bp, machine.bp, jobs.bp)


def create_app() -> Flask:
    """The app of a gunicorn worker. Raises SettingsError."""
    return create_web_app("proxy", BLUEPRINTS, access=_install)


def _install(app: Flask) -> None:
    loaded = settings()
    upstream.install(app, loaded)
    visitors.install(app, loaded)
    allowance.install(app, loaded)
    streams.install(app, loaded.proxy)
    machine.install(app, loaded.proxy)
    security.install(app, visitors.of_app(app))
