"""A transcript while it is heard, as the pieces of text that OpenAI's clients put together."""

from __future__ import annotations

from servers.errors import EngineUnavailable
from servers.jobs.client import RETRY_AFTER_S
from servers.text.joining import joined


class Deltas:
    """What was sent cannot be taken back: of a transcript that is begun again only the rest is sent."""

    def __init__(self) -> None:
        self._heard = self._sent = ""

    def begin_again(self) -> None:
        self._heard = ""

    def add(self, segment: str) -> str:
        """What is to be sent once the segment was heard; nothing where it was sent before.

        Raises EngineUnavailable where it contradicts what was sent.
        """
        self._heard = joined([self._heard, segment])
        if self._sent.startswith(self._heard):
            return ""
        if not self._heard.startswith(self._sent):
            message = (
                "the recording was heard otherwise after a part of its text had been sent: ask for it again"
            )
            raise EngineUnavailable(message, retry_after_s=RETRY_AFTER_S)
        delta, self._sent = self._heard.removeprefix(self._sent), self._heard
        return delta
