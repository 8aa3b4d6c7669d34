"""A visitor's browser, as far as the proxy sees it: its cookie, its token, where its requests are from."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

ORIGIN = "http://localhost"


class Browser:
    def __init__(self, app: Flask, address: str = "127.0.0.1") -> None:
        self.client: FlaskClient = app.test_client()
        self._environ = {"REMOTE_ADDR": address}
        welcome = self.get("/api/visitor")
        assert welcome.status_code == 200, welcome.text
        self.csrf: str = welcome.json["csrf"]
        self.cookie = welcome.headers["Set-Cookie"]

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, environ_overrides=self._environ, **options)

    def post(self, path: str, headers: dict[str, str] | None = None, **options: Any) -> TestResponse:
        """As a page of the proxy's own sends it."""
        own = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": self.csrf}
        return self.client.post(
            path,
            headers=own | (headers or {}),
            environ_overrides=self._environ,
            **options,
        )

    def left(self) -> dict[str, float]:
        return self.get("/api/visitor").json["limits"]
