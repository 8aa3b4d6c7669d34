"""Notices that a spot instance is to be taken away, which EC2 gives two minutes before.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
"""

from __future__ import annotations

import urllib3

from servers.cloud.changes import Changes
from servers.cloud.imds import Imds

NOTICE_PATH = "/latest/meta-data/spot/instance-action"


class Notices:
    """Asks for one."""

    def __init__(self, url: str, changes: Changes) -> None:
        self._imds, self._changes = Imds(url), changes

    def is_given(self) -> bool:
        """False also where nobody answers, which is logged once: this machine is none of EC2's then."""
        try:
            status, _ = self._imds.get(NOTICE_PATH)
        except urllib3.exceptions.HTTPError as error:
            self._changes.fault("imds", f"no notice of EC2 can be asked for: {type(error).__name__}")
            return False
        if status not in (200, 404):  # 404: there is none
            self._changes.fault("imds", f"no notice of EC2 can be asked for: it answers {status}")
            return False
        self._changes.well("imds", "EC2 is asked for notices again")
        return status == 200
