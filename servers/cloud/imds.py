"""EC2's service of instance metadata, version 2: a token first, and again when it has expired.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress

import urllib3

from servers.settings import Settings

TOKEN_PATH = "/latest/api/token"
INSTANCE_ID_PATH = "/latest/meta-data/instance-id"
TOKEN_S = 21_600
ASK_S = 1.0
TRIES, PAUSE_S = 4, 1.0
"""Of who asks once which instance this is, as it starts."""


class Imds:
    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = urllib3.PoolManager(timeout=ASK_S, retries=False)
        self._token: str | None = None

    def get(self, path: str) -> tuple[int, str]:
        """The answer's status and text. Raises urllib3's HTTPError where nobody answers."""
        for _ in range(2):
            if self._token is None:
                status = self._renew()
                if status != 200:
                    return status, ""
            headers = {"X-aws-ec2-metadata-token": self._token or ""}
            reply = self._http.request("GET", self._url + path, headers=headers)
            if reply.status != 401:
                break
            self._token = None
        return reply.status, reply.data.decode("utf-8", "replace")

    def close(self) -> None:
        self._http.clear()

    def _renew(self) -> int:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)}
        reply = self._http.request("PUT", self._url + TOKEN_PATH, headers=headers)
        if reply.status == 200:
            self._token = reply.data.decode("ascii", "replace").strip()
        # a 404 here is no answer about what was asked
        return 503 if reply.status == 404 else reply.status


def instance_id(loaded: Settings, sleep: Callable[[float], object] = time.sleep) -> str | None:
    """Which instance this is: as the settings have it, else as EC2 says, which may be silent for a while at a
    boot. None where it is none of EC2's.
    """
    if loaded.cloud.instance_id is not None or loaded.monitor.imds_url is None:
        return loaded.cloud.instance_id
    with closing(Imds(loaded.monitor.imds_url)) as imds:
        for attempt in range(TRIES):
            if attempt:
                sleep(PAUSE_S)
            with suppress(urllib3.exceptions.HTTPError):
                status, text = imds.get(INSTANCE_ID_PATH)
                if status == 200:
                    return text.strip()
    return None
