"""The app of the proxy."""

from __future__ import annotations

from flask import Flask

from servers.proxy import files, security
from servers.web.app import create_app as create_web_app


def create_app() -> Flask:
    """The app of a gunicorn worker."""
    return create_web_app("proxy", [files.bp], access=security.install)
