"""Looks, takes, has it done, and says what came of it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed
from servers.intake.leases import Leases
from servers.intake.objects import Objects, result_key
from servers.intake.outcomes import Back, Done, Failed, Moved, Outcome, judge
from servers.intake.work import DONE, FAILED, MOVED, Work, fault_of, next_look_s, next_works

AT_ONCE = 32
RENEW_S = 40.0
"""A third of a lease."""
IDLE_S, BUSY_S = 15.0, 2.0
"""How often it is looked while there is nothing to do, and while there is."""
AWAY_PAUSE_S = 15.0
DEFECT = {"message": "a defect of the intake: its log says which"}
log = logging.getLogger(__name__)


class Doer(Protocol):
    """What is done with one kind of work; any number of threads ask."""

    def asked(self, work: Work) -> str:
        """Who is asked to do it: a door, or the engine."""

    def is_ready(self, work: Work) -> bool:
        """Whether there is any use in taking it now: the same for all that is asked of one."""

    def do(self, work: Work) -> Outcome:
        """Returns once it is done. Raises CloudFailed."""


class Intake:
    """`doers` by the kinds of work. One thread decides and keeps the leases, and each work has its own."""

    def __init__(
        self,
        leases: Leases,
        objects: Objects,
        doers: Mapping[str, Doer],
        changes: Changes,
        *,
        is_live: Callable[[], bool] = lambda: True,
        at_once: int = AT_ONCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._leases, self._objects, self._doers, self._changes = leases, objects, doers, changes
        self._is_live, self._at_once, self._clock = is_live, at_once, clock
        self._in_hand: dict[str, Work] = {}
        self._renewed_at: dict[str, float] = {}
        self._put_off: dict[str, float] = {}
        """Until when what could not be told of is not taken again."""
        self._ended: queue.SimpleQueue[tuple[Work, bool] | None] = queue.SimpleQueue()
        """With whether the table was told."""
        self.stopped = False

    def stop(self) -> None:
        """Safe in a signal handler."""
        self.stopped = True
        self._ended.put(None)

    def run(self) -> None:
        """Until it is stopped; what is in hand then waits for the next one."""
        while not self.stopped:
            self._hear(self.step())
        self.hand_back()

    def step(self) -> float:
        """Renews what is in hand and takes what there is room for; how many seconds until the next look."""
        try:
            self._renew()
            wait_s = self._look() if len(self._in_hand) < self._at_once else RENEW_S
        except CloudFailed as failed:
            self._changes.fault("table", f"the accepted work cannot be asked for: {failed.code}")
            return AWAY_PAUSE_S
        self._changes.well("table", "the accepted work can be asked for again")
        return wait_s

    def hand_back(self) -> None:
        """What is done with it meanwhile is for nobody; the jobs that it has in the engine go on."""
        try:
            for work in self._in_hand.values():
                self._give_back(work, Back(0.0, "the machine stopped"))
        except CloudFailed as failed:  # the leases run out instead, and the stop need not take minutes
            fields = {"action": "give_back_failed", "why": failed.code}
            log.warning("what is in hand cannot be given back", extra=fields)
        self._in_hand.clear()

    def _hear(self, within_s: float) -> None:
        """Returns as soon as something has ended, or after that time."""
        with suppress(queue.Empty):
            self._put_down(self._ended.get(timeout=within_s))
            while True:
                self._put_down(self._ended.get_nowait())

    def _put_down(self, ended: tuple[Work, bool] | None) -> None:
        if ended is None:
            return
        work, is_told = ended
        if self._in_hand.get(work.id) == work:
            del self._in_hand[work.id], self._renewed_at[work.id]
            if not is_told:  # its lease runs on, and it is taken once more: the result is there
                self._put_off[work.id] = self._clock() + AWAY_PAUSE_S

    def _renew(self) -> None:
        now = self._clock()
        due = [work for id, work in self._in_hand.items() if now - self._renewed_at[id] >= RENEW_S]
        for work in due:
            if self._leases.renew(work, now):
                self._renewed_at[work.id] = now
            else:  # another machine has it, and ends it
                log.warning("a lease was lost", extra={"action": "lease_lost", "work": work.id})
                self._put_down((work, True))

    def _look(self) -> float:
        """A place that does not serve takes nothing, and ends what it has in hand."""
        if not self._is_live():
            return IDLE_S
        items = [item for item in self._leases.look() if self._is_whole(item)]
        self._take(items)
        return next_look_s(items, self._in_hand, IDLE_S, BUSY_S)

    def _take(self, items: Sequence[Mapping[str, Any]]) -> None:
        """As much as there is room for, the most urgent first."""
        now = self._clock()
        self._put_off = {id: until for id, until in self._put_off.items() if until > now}
        ready: dict[str, bool] = {}
        for work in next_works(items, self._in_hand | self._put_off, self._leases.holder, now):
            if self.stopped or len(self._in_hand) >= self._at_once:
                break
            if self._can_be_done(work, ready) and (taken := self._leases.take(work, self._clock())):
                self._begin(taken)

    def _is_whole(self, item: Mapping[str, Any]) -> bool:
        """One that is not is left, and logged once."""
        fault = fault_of(item)
        if fault is not None:
            id = str(item.get("id"))
            self._changes.fault(f"item {id}", f"{id} in the table is no work: {fault}")
        return fault is None

    def _can_be_done(self, work: Work, ready: dict[str, bool]) -> bool:
        """`ready` has who was asked in this look; work of another version's kind is left to that."""
        doer = self._doers.get(work.kind)
        if doer is None:
            self._changes.fault(work.kind, f"work of the kind {work.kind!r} waits, and is not known here")
            return False
        asked = doer.asked(work)
        if asked not in ready:
            ready[asked] = doer.is_ready(work)
        return ready[asked]

    def _begin(self, work: Work) -> None:
        log.info("work is taken in", extra={"action": "take", "work": work.id, "attempt": work.attempts})
        self._in_hand[work.id] = work
        self._renewed_at[work.id] = self._clock()
        threading.Thread(target=self._do, args=(work,), name=f"work-{work.id[:8]}", daemon=True).start()

    def _do(self, work: Work) -> None:
        is_told = False
        try:
            self._conclude(work, self._outcome(work))
            is_told = True
        except Exception as error:
            fields = {"action": "end_failed", "work": work.id, "why": str(error)}
            is_defect = not isinstance(error, CloudFailed)
            log.warning("what became of work cannot be told", extra=fields, exc_info=is_defect)
        finally:
            self._ended.put((work, is_told))

    def _outcome(self, work: Work) -> Outcome:
        try:
            # only what was taken before can have a result already
            kept = self._objects.kept(work) if work.attempts > 1 else None
            return kept or self._doers[work.kind].do(work)
        except CloudFailed as failed:
            return Back(AWAY_PAUSE_S, f"AWS: {failed.code}")
        except OSError as error:  # this machine's disk
            log.exception("work cannot be kept meanwhile", extra={"action": "disk", "work": work.id})
            return Back(AWAY_PAUSE_S, f"this machine: {error.strerror}")
        except Exception:
            log.exception("work cannot be done", extra={"action": "defect", "work": work.id})
            return judge(500, DEFECT, None, work.failures, work.renewals)

    def _conclude(self, work: Work, outcome: Outcome) -> None:
        """Raises CloudFailed."""
        if isinstance(outcome, Back):
            self._give_back(work, outcome)
            return
        told = _told(work, outcome)
        is_ours = self._leases.end(work, told, self._clock())
        fields = {"action": "end" if is_ours else "lease_lost", "work": work.id, "status": told["status"]}
        log.info("work has ended", extra=fields)
        if is_ours:
            self._discard_body(work)

    def _give_back(self, work: Work, back: Back) -> None:
        """Raises CloudFailed: its lease runs out instead."""
        fields = {"action": "give_back", "work": work.id, "why": back.why}
        log.info("work is given back", extra=fields)
        self._leases.give_back(work, back, self._clock())

    def _discard_body(self, work: Work) -> None:
        try:
            self._objects.discard_body(work)
        except CloudFailed as failed:  # the bucket's own rule removes it
            fields = {"action": "body_left", "work": work.id, "why": failed.code}
            log.warning("a body cannot be removed", extra=fields)


def _told(work: Work, outcome: Done | Moved | Failed) -> dict[str, object]:
    """What the table says of the end."""
    if isinstance(outcome, Moved):
        return {"status": MOVED, "job_id": outcome.job_id}
    if isinstance(outcome, Failed):
        return {"status": FAILED, "http_status": outcome.status, "error": outcome.error}
    return {
        "status": DONE,
        "http_status": outcome.status,
        "content_type": outcome.content_type,
        "result_key": result_key(work),
        "result_bytes": outcome.bytes,
        "audio": outcome.audio,
    }
