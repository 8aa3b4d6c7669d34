"""What is logged once, and not each minute: that something fails, and that it is well again."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


class Changes:
    """By what it is about: the last fault of each. `who` is the process, in the lines' actions."""

    def __init__(self, who: str = "monitor") -> None:
        self._who = who
        self._faults: dict[str, str] = {}

    def fault(self, about: str, sentence: str) -> None:
        if self._faults.get(about) != sentence:
            log.warning("%s", sentence, extra={"action": f"{self._who}_fault", "about": about})
        self._faults[about] = sentence

    def well(self, about: str, sentence: str) -> None:
        if self._faults.pop(about, None) is not None:
            log.info("%s", sentence, extra={"action": f"{self._who}_well", "about": about})
