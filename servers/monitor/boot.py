"""How far the start of this machine is: that its models are loaded, and that it has spoken.

It tells the appliance's table, from which whoever waits for the machine is told (docs/cloud.md). The stages
before that are the host's: its own start, and the image.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import urllib3

from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed

ASK_EVERY_S = 1.0
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""After each attempt to speak that failed."""
READY_S, SPEAK_S = 5.0, 120.0
SENTENCE = "Ready."
log = logging.getLogger(__name__)

Tell = Callable[[Mapping[str, Any]], object]
"""Sets attributes of this machine's item in the table. Raises CloudFailed."""


class NotYet(Exception):
    """Why the next stage has not been reached."""


class Boot:
    """`doors` are the URLs of all doors, the one that speaks first; `key` is an API key."""

    def __init__(
        self,
        doors: Sequence[str],
        key: str | None,
        tell: Tell,
        changes: Changes,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._doors, self._headers = doors, {"X-API-Key": key} if key else {}
        self._tell, self._changes, self._clock, self._sleep = tell, changes, clock, sleep
        self._http = urllib3.PoolManager(retries=False)

    def run(self) -> None:
        """Until it has spoken and that was told, or has not for some minutes."""
        while (why := _failure(self._are_ready)) is not None:
            self._changes.fault("boot", f"it is not ready: {why}")
            self._sleep(ASK_EVERY_S)
        self._say({"model_at": self._clock(), "fault": None})
        if self._has_spoken():
            self._say({"audio_at": self._clock(), "fault": None})
        self._http.clear()

    def _has_spoken(self) -> bool:
        """Each attempt is a request to the door, and the machine is not idle meanwhile: so there are few."""
        for pause_s in PAUSES_S:
            why = _failure(self._speaks)
            if why is None:
                return True
            self._changes.fault("boot", f"it does not speak: {why}")
            self._say({"fault": why})
            self._sleep(pause_s)
        log.error("it has not spoken, and is not asked to any more", extra={"action": "boot", "why": why})
        return False

    def _say(self, values: Mapping[str, Any]) -> None:
        """Until the table has it."""
        while True:
            try:
                self._tell(values)
            except CloudFailed as failed:
                self._changes.fault("boot", f"nobody can be told how far the start is: {failed.code}")
                self._sleep(ASK_EVERY_S)
            else:
                log.info("the start goes on", extra={"action": "boot", **values})
                return

    def _are_ready(self) -> None:
        for url in self._doors:
            reply = self._ask("GET", f"{url}/ready", READY_S)
            if reply.status != 200:
                raise NotYet(f"/ready answers {reply.status}")

    def _speaks(self) -> None:
        body = {"input": SENTENCE, "response_format": "pcm"}
        reply = self._ask("POST", f"{self._doors[0]}/v1/audio/speech", SPEAK_S, json=body)
        if reply.status != 200:
            raise NotYet(f"/v1/audio/speech answers {reply.status}")
        if not reply.data:
            raise NotYet("/v1/audio/speech answers with no audio")

    def _ask(self, method: str, url: str, timeout_s: float, **body: Any) -> urllib3.BaseHTTPResponse:
        try:
            return self._http.request(method, url, timeout=timeout_s, headers=self._headers, **body)
        except urllib3.exceptions.HTTPError as error:
            raise NotYet(type(error).__name__) from error


def _failure(check: Callable[[], None]) -> str | None:
    """Why it is not so yet; None where it is."""
    try:
        check()
    except NotYet as why:
        return str(why)
    return None
