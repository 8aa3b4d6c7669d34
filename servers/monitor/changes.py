"""What is logged once, and not each minute: that something fails, and that it is well again."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


class Changes:
    """By what it is about: the last fault of each."""

    def __init__(self) -> None:
        self._faults: dict[str, str] = {}

    def fault(self, about: str, sentence: str) -> None:
        if self._faults.get(about) != sentence:
            log.warning("%s", sentence, extra={"action": "monitor_fault", "about": about})
        self._faults[about] = sentence

    def well(self, about: str, sentence: str) -> None:
        if self._faults.pop(about, None) is not None:
            log.info("%s", sentence, extra={"action": "monitor_well", "about": about})
