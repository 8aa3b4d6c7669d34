"""Which of the machine's two places serves: the parameter in SSM that scripts/release writes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed, asking

KNOWN_FOR_S = 15.0


class LivePlace:
    """Whether it is `place`, as the parameter said at most KNOWN_FOR_S ago; `client` is boto3's of SSM."""

    def __init__(
        self,
        client: Any,
        parameter: str,
        place: str,
        changes: Changes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._parameter, self._place = client, parameter, place
        self._changes, self._clock = changes, clock
        self._known: tuple[float, bool] | None = None

    def is_here(self) -> bool:
        """False, and logged once, where nobody can say."""
        now = self._clock()
        if self._known is None or now - self._known[0] >= KNOWN_FOR_S:
            self._known = (now, self._asked())
        return self._known[1]

    def _asked(self) -> bool:
        try:
            with asking():
                found = self._client.get_parameter(Name=self._parameter)["Parameter"]["Value"]
            live = json.loads(found)["live"]
        except CloudFailed as failed:
            return self._unknown(failed.code)
        except (ValueError, KeyError, TypeError):
            return self._unknown("it is not as scripts/release writes it")
        self._changes.well("release", f"{self._parameter} can be read again")
        return bool(live == self._place)

    def _unknown(self, why: str) -> bool:
        self._changes.fault("release", f"{self._parameter} does not say which place serves: {why}")
        return False
