"""What time alone makes due: queued jobs that expire, results and uploads past their keeping time.

And a look now and then whether the queue is still this engine's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from servers.engine.news import News
from servers.jobs.results import Results
from servers.jobs.saves import Saves
from servers.jobs.store import Store
from servers.jobs.uploads import Uploads
from servers.settings import Settings

EXPIRE_EVERY_S = 1.0
SWEEP_EVERY_S = 600.0
log = logging.getLogger(__name__)


class QueueLost(Exception):
    """The database let go of this engine, and another one runs its jobs now."""


class Housekeeping:
    """Called by the engine's loop as often as it likes. `clock` is the time of day in seconds."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        results: Results,
        saves: Saves,
        news: News,
        clock: Callable[[], float],
    ) -> None:
        self._limits, self._store, self._news = settings.engine, store, news
        self._results, self._saves = results, saves
        self._uploads = Uploads(settings.data_dir)
        self._clock = clock
        self._expire_at = self._sweep_at = 0.0
        self.unheard = False
        """Set by whoever could not write that a client still asks: until then nobody's silence counts."""

    def tidy(self) -> None:
        """Raises QueueLost."""
        now = self._clock()
        if now >= self._expire_at:
            if not self._store.hold():
                raise QueueLost("another engine has taken the queue")
            self._expire_at = now + EXPIRE_EVERY_S
            self._expire(now)
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_EVERY_S
            self._sweep(now)

    def _expire(self, now: float) -> None:
        """Queued jobs that nobody asks for any more, or that are too late, end."""
        if self.unheard:
            self._store.excuse_queued(now)
            self.unheard = False
        for job_id in self._store.expire(now, self._limits.heartbeat_timeout_s):
            self._news.tell(job_id)

    def _sweep(self, now: float) -> None:
        ended = self._store.delete_ended(now - self._limits.keep_results_s)
        try:
            self._results.delete(ended)
            self._saves.sweep(self._is_over)
            self._uploads.sweep(older_than_s=self._limits.keep_results_s, now=now)
        except OSError as error:  # a folder is missing: no reason to run no jobs
            log.error("what is over cannot be swept", extra={"action": "sweep_failed"}, exc_info=error)

    def _is_over(self, job_id: str) -> bool:
        job = self._store.get(job_id)
        return job is None or job.status.ended
