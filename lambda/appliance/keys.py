"""API keys, by their hashes in a parameter of SSM: `id:sha256,id:sha256`, as in SKYLARK_API_KEYS."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from appliance.exchange import Request, Unauthorized, presented_key
from appliance.faults import Unreadable

KEPT_S = 60.0
"""So long a warm function goes by the keys that it has read: a new one, and one taken away, counts after."""
PARTS = frozenset({"auto-stop", "machine", "machine-monitor", "reception", "release", "schedule"})
"""So the appliance's own parts are called: whoever had a key by such an id would hold it as one of them."""
PAIR = re.compile(r"([^:]+):([0-9a-fA-F]{64})")


class Keys:
    """Of one parameter, kept as long as the function is warm. `client` is boto3's of SSM."""

    def __init__(self, parameter: str, clock: Callable[[], float]) -> None:
        self._parameter, self._clock = parameter, clock
        self._read_at, self._hashes = float("-inf"), dict[str, str]()

    def owner(self, client: Any, request: Request) -> str:
        """The id of the key that the request has. Raises Unauthorized, or Unreadable."""
        digest = sha256(presented_key(request)).hexdigest()
        owner = None
        for name, known in self._known(client).items():
            # All of them each time, so that it takes as long whichever it is.
            if hmac.compare_digest(digest, known):
                owner = name
        if owner is None:
            raise Unauthorized("a valid API key is needed, as X-API-Key or as Authorization: Bearer")
        return owner

    def _known(self, client: Any) -> dict[str, str]:
        if not 0 <= self._clock() - self._read_at < KEPT_S:
            found = client.get_parameter(Name=self._parameter, WithDecryption=True)
            self._hashes = hashes_of(self._parameter, found["Parameter"]["Value"])
            self._read_at = self._clock()
        return self._hashes


def hashes_of(parameter: str, value: str) -> dict[str, str]:
    """From id to SHA-256 in hexadecimal digits. Raises Unreadable, without the value."""
    pairs = [PAIR.fullmatch(each.strip()) for each in value.split(",") if each.strip()]
    found = {pair[1]: pair[2].lower() for pair in pairs if pair}
    if len(found) < len(pairs) or not found:
        raise Unreadable(f"{parameter} is not as id:sha256,id:sha256 with 64 hexadecimal digits each")
    if taken := sorted(PARTS & {*found}):
        raise Unreadable(
            f"{parameter} has the id {taken[0]}, which is the appliance's own: give the key another"
        )
    return found
