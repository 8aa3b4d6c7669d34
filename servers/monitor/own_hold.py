"""The hold that the machine itself writes when work comes after a silence.

CloudWatch shows what was published up to some minutes late, and a parameter can be read at once: so what
stops the idle machine sees in time that it is idle no more. By the end of the hold CloudWatch tells it too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed, asking
from servers.monitor.readings import Readings

HOLDER = "machine"
SILENCE_S = LASTS_S = 300.0
LOOK_EVERY_S = 2.0


class OwnHold:
    """Due from the moment work comes after five minutes without any, until it is written or over. Pure."""

    def __init__(self) -> None:
        self._last_work_at: float | None = None
        self._until = 0.0
        self._written = True

    def see(self, readings: Readings, now: float) -> float | None:
        """Until when a hold is to be written, in seconds since the epoch; None where none is due."""
        work_at = last_work_at(readings, now)
        if work_at is not None and (self._last_work_at is None or work_at > self._last_work_at):
            if self._last_work_at is None or work_at - self._last_work_at >= SILENCE_S:
                self._until, self._written = work_at + LASTS_S, False
            self._last_work_at = work_at
        return None if self._written or self._until <= now else self._until

    def was_written(self) -> None:
        self._written = True


def last_work_at(readings: Readings, now: float) -> float | None:
    """Now where there is work; else the last moment of which somebody says that there was."""
    engine, doors = readings.engine, [door for door in readings.doors.values() if door]
    if any(door.uploads for door in doors):
        return now
    if engine and (engine.queued or engine.running or engine.loading or engine.training):
        return now
    times = [door.last_request_at for door in doors] + ([engine.last_request_at] if engine else [])
    return max((min(at, now) for at in times if at is not None), default=None)


class Holds:
    """The parameters of SSM below one path; `client` is boto3's."""

    def __init__(self, client: Any, path: str, changes: Changes) -> None:
        self._client, self._name, self._changes = client, f"{path}/{HOLDER}", changes

    def write(self, until: float) -> bool:
        """Whether it was taken; what it was not for is logged once."""
        value = {"until": round(until), "by": "the machine itself", "why": "work came after a silence"}
        try:
            with asking():
                self._client.put_parameter(
                    Name=self._name, Value=json.dumps(value), Type="String", Overwrite=True
                )
        except CloudFailed as fault:
            self._changes.fault("hold", f"no hold can be written: {fault.code}")
            return False
        self._changes.well("hold", "holds are written again")
        return True


def hold_when_work_comes(
    look: Callable[[], Readings],
    holds: Holds,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Looks for ever; one that could not be written is written at the next look."""
    own = OwnHold()
    while True:
        until = own.see(look(), clock())
        if until is not None and holds.write(until):
            own.was_written()
        sleep(LOOK_EVERY_S)
