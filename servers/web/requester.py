"""What a Flask door adds to servers/jobs/requests.py: who asks, which is what Flask knows of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from flask import Flask, current_app, request

from servers.jobs.request import IDEMPOTENCY_KEY, LONGEST_KEY, Requester
from servers.jobs.requests import Requests
from servers.web.app import on_terminate
from servers.web.auth import current_owner
from servers.web.disconnect import connection, on_leave

EXTENSION = "skylark.requests"
OWN = ""


def key_header(longest: int) -> dict[str, dict[str, Any]]:
    """The Idempotency-Key of a server that takes one so long, as an operation's header."""
    meaning = "the same one again is the same request again: it is answered with what was made"
    key = {"type": "string", "pattern": r"^\S(.*\S)?$", "minLength": 1, "maxLength": longest}
    return {IDEMPOTENCY_KEY: key | {"description": meaning}}


NAMED = key_header(LONGEST_KEY)
"""Of the endpoints whose jobs can be asked for again."""
Others = Mapping[str, Callable[[], Requests]]
NO_OTHERS: Others = MappingProxyType({})


def install(app: Flask, own: Requests, others: Others = NO_OTHERS) -> None:
    """The app's own, and those of other sections of the settings: a server is asked for their models too."""
    app.extensions[EXTENSION] = Doors(own, others)
    on_terminate(app, app.extensions[EXTENSION].stop)


class Doors:
    """A server's requests, and those of other sections by name, each made when it is first asked for."""

    def __init__(self, own: Requests, others: Others) -> None:
        self.own, self._others = own, others
        self._made: dict[str, Requests] = {}
        self._stopped = False

    def named(self, name: str) -> Requests:
        """The own one, unless another section has that name. Raises UnknownModel."""
        if name not in self._others:
            return self.own
        if name not in self._made:
            self._made.setdefault(name, self._others[name]())
            if self._stopped:
                self._made[name].stop()
        return self._made[name]

    def stop(self) -> None:
        """It takes no lock, for a signal calls it."""
        self._stopped = True
        for each in (self.own, *self._made.values()):
            each.stop()


def requests(door: str = OWN) -> Requests:
    """The current app's own, or those of another section of the settings: "tts", "whisperx"."""
    doors: Doors = current_app.extensions[EXTENSION]
    return doors.named(door)


def requester() -> Requester:
    """Whoever sent the current request. Raises InvalidRequest for an Idempotency-Key that cannot be one."""
    return Requester(current_owner(), connection(), request.headers.get(IDEMPOTENCY_KEY), on_leave())
