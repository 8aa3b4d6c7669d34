"""A stand-in for /machine, as lambda/start answers it: a start gets on by a stage at each look."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

Answer = tuple[int, dict[str, str], dict[str, Any] | str]
USUAL_S = {"capacity": 20.0, "boot": 60.0, "image": 40.0, "model": 50.0, "audio": 10.0}
STAGES = tuple(USUAL_S)
FORCE = ". With force it is stopped all the same"
LEDGER: dict[str, Any] = {"entries": [], "left_out": 0, "totals": {}}


@dataclass
class Machine:
    """`me` is whose key it is. It is off at first; `faults` are those at that many looks into a start."""

    me: str = "maria"
    state: str = "off"
    stage: int = -1
    asked_by: str | None = None
    why: str | None = None
    asked_at: float | None = None
    holds: list[dict[str, Any]] = field(default_factory=list)
    active: int = 0
    waiting: int = 0
    looks: int = 0
    first_stage: int = 0
    """Of a start: those before it are done at once."""
    faults: dict[int, dict[str, Any]] = field(default_factory=dict)
    fails_at: int | None = None
    stopped_at: int | None = None
    stopped: dict[str, Any] | None = None
    """Who did, when and why, as it is told of a machine that is off."""
    ledger: dict[str, Any] = field(default_factory=lambda: dict(LEDGER))
    missing: int = 0
    """So many looks are answered by nobody: the balancer says 502."""

    def answer(self, method: str, path: str, query: str, body: bytes) -> Answer:
        match method, path:
            case "GET", "/machine":
                return self._looked_at()
            case "GET", "/machine/ledger":
                return 200, {}, self.ledger | {"asked": query}
            case "POST", "/machine/start":
                return self._start(json.loads(body))
            case "POST", "/machine/stop":
                return self._stop(json.loads(body))
            case "POST", "/machine/hold":
                return self._hold(json.loads(body))
        return 404, {}, {"error": {"code": "not_found", "message": f"there is no {path}", "param": None}}

    def _looked_at(self) -> Answer:
        if self.missing:
            self.missing -= 1
            return 502, {}, "<html>502</html>"
        if self.state == "starting":
            self._go_on()
        return 200, {}, self.body()

    def _go_on(self) -> None:
        self.looks += 1
        if self.looks == self.fails_at:
            self.state = "failed"
        elif self.looks == self.stopped_at:
            self.state = "stopping"
        elif self.looks not in self.faults:
            self.stage += 1
            if self.stage == len(STAGES):
                self.state = "ready"

    def _start(self, wish: dict[str, Any]) -> Answer:
        self._held(wish.get("hold_s", 900), wish.get("why"))
        if self.state == "ready":
            return 200, {}, self.body()
        if self.state != "starting":
            self.state, self.stage, self.looks = "starting", self.first_stage, 0
            self.asked_by, self.why, self.asked_at = self.me, wish.get("why"), time.time()
        return 202, {}, self.body()

    def _stop(self, wish: dict[str, Any]) -> Answer:
        others = [hold["by"] for hold in self.holds if hold["by"] != self.me]
        if not wish["force"] and self.active:
            return _conflict("busy", f"it is not stopped: it has {self.active:g} pieces of work{FORCE}")
        if not wish["force"] and others:
            return _conflict("held", f"it is not stopped: {others[0]} holds it{FORCE}")
        self._held(0, None)
        self.state = "stopping"
        return 202, {}, self.body()

    def _hold(self, wish: dict[str, Any]) -> Answer:
        if wish["for_s"] > 7 * 86_400:
            error = {"code": "invalid_request", "message": "at most 7 days", "param": "for_s"}
            return 400, {}, {"error": error}
        self._held(wish["for_s"], wish.get("why"))
        return 200, {}, self.body()

    def _held(self, for_s: float, why: str | None) -> None:
        self.holds = [hold for hold in self.holds if hold["by"] != self.me]
        if for_s:
            self.holds.append({"by": self.me, "until": time.time() + for_s, "why": why})

    def body(self) -> dict[str, Any]:
        is_up = self.state in ("ready", "stopping")
        starting = self.state == "starting"
        return {
            "appliance": "speech", "state": self.state,
            "stage": STAGES[self.stage] if starting else None,
            "stages": [self._stage(n, name) for n, name in enumerate(STAGES)] if starting or is_up else [],
            "left_s": 140.0 if starting else None,
            "asked_by": self.asked_by, "why": self.why, "asked_at": self.asked_at,
            "instance": "i-0a" if is_up else None, "type": "g5.xlarge", "zone": "eu-central-1a", "spot": True,
            "holds": self.holds, "active": self.active if is_up else None,
            "idle_s": 30.0 if is_up and not self.active else None, "stops_at": None, "waiting": self.waiting,
            "stopped": None if self.state in ("starting", "ready") else self.stopped,
            "fault": self._fault(), "price_per_hour": 0.42,
            "cost": {"today": 0.4, "month": 12.3, "saved_month": None},
        }  # fmt: skip

    def _stage(self, number: int, name: str) -> dict[str, Any]:
        state = "done" if number < self.stage else "running" if number == self.stage else "waiting"
        seconds = None if state == "waiting" else 10.0 * (number + 1)
        return {"stage": name, "state": state, "seconds": seconds, "usual_s": USUAL_S[name]}

    def _fault(self) -> dict[str, Any] | None:
        if self.state == "failed":
            message = "no capacity for g5.xlarge in any zone for 2 hours: ask for another type"
            return {"code": "no_capacity", "message": message, "next_attempt_at": None}
        return self.faults.get(self.looks) if self.state == "starting" else None


def _conflict(code: str, message: str) -> Answer:
    return 409, {}, {"error": {"code": code, "message": message, "param": None}}
