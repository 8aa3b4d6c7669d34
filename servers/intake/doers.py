"""What is done with each kind of work."""

from __future__ import annotations

from servers.intake.outcomes import Outcome
from servers.intake.replay import Replay
from servers.intake.submission import Submission, is_for_engine
from servers.intake.work import Work


class Requests:
    """Work of the kind "request": what a client sent, to a door or to the job API."""

    def __init__(self, replay: Replay, submission: Submission) -> None:
        self._replay, self._submission = replay, submission

    def asked(self, work: Work) -> str:
        return self._of(work).asked(work)

    def is_ready(self, work: Work) -> bool:
        return self._of(work).is_ready(work)

    def do(self, work: Work) -> Outcome:
        return self._of(work).do(work)

    def _of(self, work: Work) -> Replay | Submission:
        return self._submission if is_for_engine(work) else self._replay
