"""How the start in hand changes: it begins, fails, is ready, is stopped; and what is to be told. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from appliance.machine import Instance
from appliance.starts import STAGES, Fault, Start, State

GIVEN_UP_S = 7200.0
BEFORE_S = 0.001
"""What ended is that much before what begins with it: the ledger is in the order of time."""
CLAIM_S = 60.0
"""What a function has not told in that time another one tells, for it ended half way."""
TOLD_AGAIN_S = 3600.0
"""The same is not told to a person again so soon."""


def begun(start: Start, by: str, why: str, now: float, since: float | None = None) -> Start:
    """A new one; `since` is when a machine began that nobody asked for. What was to be told is told yet."""
    if start.state == State.STOPPING:
        start = ended(start, start.stopped_by, start.stopped_why, now - BEFORE_S)
    entry = {"event": "start_asked", "at": now, "by": by, "why": why}
    return Start(
        state=State.STARTING,
        asked_at=now if since is None else since,
        asked_by=by,
        why=why,
        wished_at=now,
        deadline_at=now + GIVEN_UP_S,
        stopping_at=start.stopping_at,
        stopped_at=start.stopped_at,
        stopped_by=start.stopped_by,
        stopped_why=start.stopped_why,
        notice=start.notice,
        notice_why=start.notice_why,
        told=start.told,
        told_at=start.told_at,
        entries=(*start.entries, entry),
        claimed_at=start.claimed_at,
        version=start.version,
    )


def got(start: Start, instance: Instance, now: float) -> Start:
    """It has a machine: the first stage ended."""
    return replace(
        start,
        capacity_at=max(start.asked_at, min(now, instance.launched_at)),
        instance=instance.id,
        launched_at=instance.launched_at,
        type=instance.type,
        zone=instance.zone,
        spot=bool(instance.spot),
    )


def without_machine(start: Start) -> Start:
    """Its stages begin again."""
    return replace(
        start,
        capacity_at=None,
        boot_at=None,
        image_at=None,
        model_at=None,
        audio_at=None,
        healthy_at=None,
        ready_at=None,
        instance="",
        launched_at=0.0,
    )


def ready(start: Start, now: float) -> Start:
    entry = {"event": "start_ready", "at": now, "by": start.asked_by, "why": start.why} | _machine(start)
    entry["seconds"] = seconds(start)
    return replace(start, state=State.READY, ready_at=now, fault=None, entries=(*start.entries, entry))


def failed(start: Start, code: str, message: str, now: float) -> Start:
    """Its end, of which a person is told."""
    entry = {"event": "start_failed", "at": now, "by": start.asked_by, "why": message, "reason": code}
    entry |= {"purpose": start.why} | _machine(start)
    return replace(
        start,
        state=State.FAILED,
        fault=Fault(code, message),
        failed_at=now,
        notice=code,
        notice_why=message,
        entries=(*start.entries, entry),
    )


def withdrawn(start: Start, by: str, why: str, now: float) -> Start:
    """Nobody wants it any more, and it has no machine yet."""
    entry = {"event": "start_failed", "at": now, "by": by, "why": why, "reason": "withdrawn"}
    return replace(start, state=State.OFF, fault=None, stopped_at=now, entries=(*start.entries, entry))


def stopping(start: Start, instance: Instance, by: str, why: str, now: float) -> Start:
    """From here on a start that is asked for begins once the machine is off."""
    before = start.stopping_from if start.state == State.STOPPING else start.state
    if start.capacity_at is None or start.launched_at != instance.launched_at:
        start = got(without_machine(start), instance, now)
    return replace(
        start,
        state=State.STOPPING,
        stopping_at=now,
        stopping_from=before,
        stopped_by=by,
        stopped_why=why,
    )


def not_stopped(start: Start, now: float) -> Start:
    """The stop did not come about: what was before it goes on."""
    start = replace(start, stopping_at=0.0)
    if start.state != State.STOPPING:
        return start
    return replace(start, state=State(start.stopping_from), deadline_at=now + GIVEN_UP_S)


def ended(
    start: Start,
    by: str,
    why: str,
    at: float,
    event: str = "stopped",
    work_s: float | None = None,
    audio_s: float | None = None,
) -> Start:
    """The run of its machine is over."""
    ran_s = max(0.0, at - start.launched_at) if start.launched_at else None
    entry = {"event": event, "at": at, "by": by, "why": why, "purpose": start.why} | _machine(start)
    entry |= {"ran_s": ran_s, "work_s": work_s, "audio_s": audio_s}
    return replace(
        start,
        state=State.OFF,
        stopping_at=start.stopping_at if start.state == State.STOPPING else at,
        stopped_at=at,
        stopped_by=by,
        stopped_why=why,
        fault=None,
        entries=(*start.entries, entry),
    )


def claimed(start: Start, now: float) -> Start | None:
    """Where there is something to tell: by whoever writes this, for a minute. Else None."""
    if not (start.notice or start.entries) or 0 <= now - start.claimed_at < CLAIM_S:
        return None
    if start.notice and start.notice == start.told and now - start.told_at < TOLD_AGAIN_S:
        start = replace(start, notice="", notice_why="")
    return replace(start, claimed_at=now)


def told(start: Start, sent: Start, now: float) -> Start:
    """After what `sent` has was told: what came meanwhile is told next."""
    left = tuple(entry for entry in start.entries if entry not in sent.entries)
    start = replace(start, entries=left, claimed_at=0.0)
    if sent.notice and (start.notice, start.notice_why) == (sent.notice, sent.notice_why):
        return replace(start, notice="", notice_why="", told=sent.notice, told_at=now)
    return start


def seconds(start: Start) -> dict[str, float]:
    """How long each stage took whose end is known, and that of the one before. Of a machine that was found
    running that is nothing of the first.
    """
    found = start.asked_at == start.launched_at
    ends = [None if found else start.asked_at, *(start.ended_at(stage) for stage in STAGES)]
    pairs = zip(STAGES, ends, ends[1:], strict=False)
    return {
        stage: max(0.0, end - begin) for stage, begin, end in pairs if begin is not None and end is not None
    }


def _machine(start: Start) -> dict[str, Any]:
    return {"instance": start.instance, "type": start.type, "zone": start.zone, "spot": start.spot}
