"""Notices that a spot instance is to be taken away: IMDSv2, which EC2 gives two minutes before.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
"""

from __future__ import annotations

import urllib3

from servers.monitor.changes import Changes

TOKEN_PATH, NOTICE_PATH = "/latest/api/token", "/latest/meta-data/spot/instance-action"
TOKEN_S = 21_600
ASK_S = 1.0


class Notices:
    """Asks for one; the token is asked for when it is first needed, and again when it has expired."""

    def __init__(self, url: str, changes: Changes) -> None:
        self._url, self._changes = url.rstrip("/"), changes
        self._http = urllib3.PoolManager(timeout=ASK_S, retries=False)
        self._token: str | None = None

    def is_given(self) -> bool:
        """False also where nobody answers, which is logged once: this machine is none of EC2's then."""
        try:
            status = self._ask()
        except urllib3.exceptions.HTTPError as error:
            self._changes.fault("imds", f"no notice of EC2 can be asked for: {type(error).__name__}")
            return False
        if status not in (200, 404):  # 404: there is none
            self._changes.fault("imds", f"no notice of EC2 can be asked for: it answers {status}")
            return False
        self._changes.well("imds", "EC2 is asked for notices again")
        return status == 200

    def _ask(self) -> int:
        """The answer's status; with a fresh token where the old one is not taken any more."""
        for _ in range(2):
            if self._token is None:
                status = self._renew()
                if status != 200:
                    return status
            headers = {"X-aws-ec2-metadata-token": self._token or ""}
            status = self._http.request("GET", self._url + NOTICE_PATH, headers=headers).status
            if status != 401:
                break
            self._token = None
        return status

    def _renew(self) -> int:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)}
        reply = self._http.request("PUT", self._url + TOKEN_PATH, headers=headers)
        if reply.status == 200:
            self._token = reply.data.decode("ascii", "replace").strip()
        # a 404 here is no answer about a notice
        return 503 if reply.status == 404 else reply.status
