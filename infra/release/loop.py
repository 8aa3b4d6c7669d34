"""Looks, decides, acts, and writes how far it is: until the new image serves, or the old one again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from release.balancer import Balancer
from release.faults import ReleaseFault, TakenOver, Undone
from release.machine import Machine
from release.names import Names
from release.plan import DEFAULTS, Limits, Release, Seen, Step, next_step, next_weight, settled
from release.record import LEASE_S, Record
from release.smoke import LONGEST_S

POLL_S = 5.0
HOLD_S, HOLD_AGAIN_S = 3600.0, 900.0
MOST_STEPS = 20_000
"""More than a day of waiting."""
ON_THE_MACHINE = (Step.RUN_NEW, Step.END_OLD, Step.RUN_OLD, Step.END_NEW)
HOST_COMMAND = "skylark-place"


@dataclass
class World:
    """What a release acts on. `keep` sees to it that an image stays in the repository; `smoke` is given URL
    and place, and returns why the place does not speak.
    """

    names: Names
    machine: Machine
    balancer: Balancer
    ssm: Any
    keep: Callable[[str], object]
    smoke: Callable[[str, str], str]
    say: Callable[[str], object] = print
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep
    limits: Limits = DEFAULTS

    def look(self, release: Release) -> Seen:
        instance = self.machine.instance()
        asked_of_old = release.old_image and (
            release.smoked or release.fault
        )  # before that it decides nothing
        led = release.weight and not release.fault
        now = self.clock()
        return Seen(
            instance=instance,
            start="" if instance or not release.machine_asked_at else self.machine.says(),
            command=self.machine.told(instance, release.command),
            new_healthy=bool(release.new_runs_since) and self.balancer.is_healthy(release.place),
            old_healthy=bool(asked_of_old) and self.balancer.is_healthy(release.old),
            error_rate=self.balancer.error_rate(release.place, release.shifted_at, now) if led else None,
        )


@dataclass
class Loop:
    world: World
    record: Record
    release: Release
    _held_at: float = float("-inf")
    _said: str = ""

    def run(self) -> Release:
        """The release that ended. Raises Undone where the old one serves again; TakenOver; ReleaseFault where
        it can neither go on nor be undone now.
        """
        try:
            for _ in range(MOST_STEPS):
                if self._step():
                    return self.release
        except (ClientError, BotoCoreError) as fault:
            raise ReleaseFault(f"{sentence(fault)}; it can be gone on with by --resume") from fault
        raise ReleaseFault("it has not ended after more than a day")

    def _step(self) -> bool:
        """Whether that was the last one."""
        seen = self._look()
        step, why = next_step(self.release, seen, self.world.clock(), self.world.limits)
        self._say(step, why)
        if step == Step.FINISH:
            self._finish(why)
        elif step == Step.WAIT:
            self._save()
            self.world.sleep(POLL_S)
        else:
            self._do(step, why, seen)
        return step == Step.FINISH

    def _look(self) -> Seen:
        self._hold()
        seen = self.world.look(self.release)
        self.release = settled(self.release, seen.command, self.world.clock())
        return seen

    def _hold(self) -> None:
        """So that the machine is not stopped meanwhile."""
        now = self.world.clock()
        if now - self._held_at > HOLD_AGAIN_S:
            self.world.machine.hold(self._why(), HOLD_S)
            self._held_at = now

    def _why(self) -> str:
        return f"{self.release.by} releases {self.release.image}"

    def _say(self, step: Step, why: str) -> None:
        line = why if step in (Step.WAIT, Step.FINISH) else f"{step}: {why}"
        if line != self._said:
            self.world.say(line)
        self._said = line

    def _do(self, step: Step, why: str, seen: Seen) -> None:
        """What it begins is written before it is done: who goes on with a killed release does it again."""
        begun = self.release.begun if step in self.release.begun else (*self.release.begun, step)
        self.release = replace(self.release, begun=begun)
        if step in (Step.TO_RECEPTION, *ON_THE_MACHINE):
            self.release = replace(self.release, instance=self.release.instance or seen.instance)
        self._save(LONGEST_S + LEASE_S if step == Step.SMOKE else LEASE_S)
        try:
            self.release = self._acted(step, why, seen)
        except (ClientError, BotoCoreError, ReleaseFault) as fault:
            if isinstance(fault, TakenOver):
                raise
            self._fail(step, fault)
        self._save()

    def _fail(self, step: Step, fault: Exception) -> None:
        """Once is undone; what cannot be undone either is for a person."""
        said = f"{step} failed: {sentence(fault)}"
        if self.release.fault:
            raise ReleaseFault(f"{self.release.fault}; and {said}") from fault
        self.world.say(said)
        self.release = replace(self.release, fault=said)

    def _acted(self, step: Step, why: str, seen: Seen) -> Release:
        """The release with what was done. Each can be done again."""
        release, now = self.release, self.world.clock()
        match step:
            case Step.START_MACHINE:
                self.world.machine.start(self._why(), HOLD_S)
                self._held_at = now
                return replace(release, machine_asked_at=now)
            case Step.RUN_NEW | Step.END_OLD | Step.RUN_OLD | Step.END_NEW:
                id = self.world.machine.tell(seen.instance, *_words(step, release))
                return replace(release, command=id, commanded=step)
            case Step.SMOKE:
                fault = self.world.smoke(self.world.names.url, release.place)
                said = f"{release.place} does not speak: {fault}" if fault else ""
                return replace(release, smoked=not fault, fault=said)
            case Step.SHIFT:
                weight = next_weight(release, seen)
                self.world.balancer.lead(release.place, weight)
                return replace(release, weight=weight, shifted_at=now)
            case Step.RECORD:
                self.world.keep(release.image)
                self._write(_after(release))
                return replace(release, recorded=True)
            case Step.TO_RECEPTION | Step.LEAD_BACK:
                return self._lead_away(step)
            case Step.FAIL:
                return replace(release, fault=why, command="")
        raise AssertionError(step)

    def _lead_away(self, step: Step) -> Release:
        release = self.release
        if release.fault and Step.RECORD in release.begun:
            self._write(release.before)
        if step == Step.LEAD_BACK and release.old_image:
            self.world.balancer.lead(release.old, 100)
        else:
            self.world.balancer.lead_to_reception()
        if not release.fault:
            return replace(release, emptied=True)
        return replace(release, weight=0, emptied=step == Step.TO_RECEPTION, undone=(*release.undone, step))

    def _write(self, value: str) -> None:
        name = self.world.names.release_parameter
        self.world.ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    def _save(self, lease_s: float = LEASE_S) -> None:
        self.record.save(self.release, lease_s)

    def let_go(self) -> None:
        """Another one can go on with it at once, unless it has ended, or another one does already."""
        if self.release.ended_at:
            return
        with suppress(TakenOver, ClientError, BotoCoreError):  # else its lease runs out, a minute later
            self.record.let_go(self.release)

    def _finish(self, why: str) -> None:
        self.release = replace(self.release, ended_at=self.world.clock())
        self._save()
        self.record.tell(self.release, why)
        self.world.machine.hold(self._why(), 0.0)
        if self.release.fault:
            raise Undone(why)


def _words(step: Step, release: Release) -> tuple[str, ...]:
    match step:
        case Step.RUN_NEW:
            return HOST_COMMAND, release.place, release.image
        case Step.RUN_OLD:
            return HOST_COMMAND, release.old, release.old_image
        case Step.END_OLD:
            return HOST_COMMAND, release.old, "--drain"
    return HOST_COMMAND, release.place, "--stop"


def _after(release: Release) -> str:
    """The parameter: which place serves, and the images of both."""
    images = {release.place: release.image, release.old: release.old_image}
    return json.dumps({"live": release.place, "blue": images["blue"], "green": images["green"]})


def sentence(fault: Exception) -> str:
    if isinstance(fault, ClientError):
        error = fault.response["Error"]
        advice = ADVICE.get(error["Code"], "")
        return f"{fault.operation_name} was refused: {error['Code']}: {error['Message']}{advice}"
    return str(fault)


ADVICE = dict.fromkeys(
    ("ExpiredToken", "ExpiredTokenException", "RequestExpired"),
    "; log in again, then scripts/release --resume",
)
