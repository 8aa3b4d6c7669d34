"""The function itself: while the machine is off it answers for it, takes work in, and has it started."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from appliance import environment, exchange
from appliance.appliance import Appliance
from appliance.clients import clients
from appliance.exchange import Refused, Request, Unavailable
from appliance.faults import Failed, Unreadable, advice, code
from appliance.keys import Keys
from appliance.table import Changed, Item
from reception import bodies
from reception.machine import progress
from reception.refusals import MachineOff
from reception.wishes import HARMLESS, Wants, Wish, prefers_async, wish
from reception.works import Sent, Works

BUSY_S = 5.0
LONGEST_BY, LONGEST_WHY = 100, 300
"""Characters that the function which starts the machine takes."""
FAULTS = (ClientError, BotoCoreError, Unreadable, Changed)
KEPT: dict[str, Keys] = {}
"""The keys of each parameter, as long as the function is warm."""


def handler(event: Any, _context: Any) -> dict[str, Any]:
    """What the ALB calls."""
    if not exchange.is_request(event):
        raise Failed("only an ALB asks this function: look at the listener's rules")
    settings = environment.read(os.environ)
    keys = KEPT.setdefault(settings.keys_parameter, Keys(settings.keys_parameter, time.time))
    reception = Reception(Appliance(settings, clients(os.environ)), keys, time.time, lambda: uuid.uuid4().hex)
    return reception.answer(exchange.read(event))


@dataclass
class Reception:
    appliance: Appliance
    keys: Keys
    clock: Callable[[], float]
    new_id: Callable[[], str]

    def answer(self, request: Request) -> dict[str, Any]:
        """As the ALB takes it; and a line of JSON in the log."""
        line: dict[str, Any] = {
            "appliance": self.appliance.settings.appliance,
            "request_id": request.id,
            "method": request.method,
            "path": request.path,
        }
        try:
            answer = self._answered(request, line)
        except Refused as refused:
            line["code"] = refused.code
            answer = exchange.refusal(request.id, refused)
        except FAULTS as fault:
            _note(line, fault)
            message = "AWS did not do what this needs: ask again, and for work with the same Idempotency-Key"
            answer = exchange.refusal(request.id, Unavailable(message, retry_after_s=BUSY_S))
        print(json.dumps(line | {"status": answer["statusCode"]}), flush=True)
        return answer

    def _answered(self, request: Request, line: dict[str, Any]) -> dict[str, Any]:
        wanted = wish(request)
        line["wants"] = wanted.wants
        if wanted.is_open:
            raise self._off()
        owner = line["owner"] = self.keys.owner(self.appliance.client("ssm"), request)
        status, body, headers = self._done(wanted, request, owner, line)
        return exchange.answer(request.id, status, body, headers)

    def _done(
        self, wanted: Wish, request: Request, owner: str, line: dict[str, Any]
    ) -> tuple[int, Mapping[str, Any], dict[str, str]]:
        """The answer's status, body and headers."""
        works = self._works()
        match wanted.wants:
            case Wants.LATER:
                return self._accepted(works, sent(request, owner), request, line)
            case Wants.ANNOUNCE:
                return self._announced(works, announced(request, owner), line)
            case Wants.UPLOADED:
                return self._begun(works, works.uploaded(wanted.id, owner), line)
            case Wants.STATUS:
                return 200, self._told(works, works.of(wanted.id, owner), line), {}
            case Wants.WITHDRAW:
                works.withdraw(wanted.id, owner)
                return 200, {"id": wanted.id, "status": "withdrawn"}, {}
            case Wants.JOB if job := self._job(works, wanted.id, owner):
                return 200, self._told(works, job, line) | {"status": _status_of_job(job)}, {}
            case _:
                if request.method not in HARMLESS:
                    self._start(owner, f"{request.method} {request.path}", line)
                raise self._off()

    def _accepted(
        self, works: Works, work: Sent, request: Request, line: dict[str, Any]
    ) -> tuple[int, Mapping[str, Any], dict[str, str]]:
        status, told, headers = self._begun(works, works.accept(work), line)
        applied = {"Preference-Applied": "respond-async"} if prefers_async(request.headers) else {}
        return status, told, headers | applied

    def _begun(
        self, works: Works, item: Item, line: dict[str, Any]
    ) -> tuple[int, Mapping[str, Any], dict[str, str]]:
        """What is whole and waits starts the machine."""
        line["work"] = item["id"]
        if _waits(item):
            self._start(item["owner"], "accepted work", line)
        return 202 if _waits(item) else 200, self._told(works, item, line), _location(item)

    def _announced(
        self, works: Works, work: Sent, line: dict[str, Any]
    ) -> tuple[int, Mapping[str, Any], dict[str, str]]:
        item = works.accept(work)
        line["work"] = item["id"]
        told = self._told(works, item, line)
        if item["status"] != "uploading":
            return 200, told, _location(item)
        upload = works.upload(item) | {"then": f"/accepted/{item['id']}/uploaded"}
        return 201, told | {"upload": upload}, _location(item)

    def _job(self, works: Works, id: str, owner: str) -> Item | None:
        """A job that was in the queue of a machine that went: it waits under its own id. One that another
        machine has taken over since is that one's to tell of.
        """
        found = works.find(id)
        is_it = found and found.get("job_id") == id and found.get("owner") == owner and _waits(found)
        return found if is_it else None

    def _told(self, works: Works, item: Item, line: dict[str, Any]) -> dict[str, Any]:
        """What a client is told of its work."""
        told = {
            "id": item["id"],
            "status": item["status"],
            "status_url": f"/accepted/{item['id']}",
            "accepted_at": item["accepted_at"],
            "priority": item["priority"],
            "result": works.result(item),
            "error": item.get("error"),
            "machine": self._machine(line) if _waits(item) else None,
        }
        return told | ({"job_id": item["job_id"]} if "job_id" in item else {})

    def _machine(self, line: dict[str, Any]) -> dict[str, Any] | None:
        """How far it is. None where that cannot be read: the work was accepted all the same."""
        try:
            return progress(self.appliance.table, self.clock()).body()
        except FAULTS as fault:
            _note(line, fault)
            return None

    def _off(self) -> MachineOff:
        seen = progress(self.appliance.table, self.clock())
        return MachineOff(
            f"the machine is {seen.state}: come back, or send work with Prefer: respond-async",
            retry_after_s=seen.retry_after_s,
            machine=seen.body(),
        )

    def _start(self, by: str, why: str, line: dict[str, Any]) -> None:
        """It goes on without: the function that starts the machine looks each minute whether work waits, and
        whoever wants an answer at once asks again.
        """
        asked = {"do": "start", "by": by[:LONGEST_BY], "why": why[:LONGEST_WHY]}
        try:
            self.appliance.client("lambda").invoke(
                FunctionName=self.appliance.settings.start_function,
                InvocationType="Event",
                Payload=json.dumps(asked).encode(),
            )
            line["start"] = "asked"
        except (ClientError, BotoCoreError) as fault:
            line["start"] = f"{code(fault)}: {fault}"

    def _works(self) -> Works:
        client, bucket = self.appliance.client("s3"), self.appliance.settings.bucket
        return Works(self.appliance.table, client, bucket, self.new_id, self.clock)


def sent(request: Request, owner: str) -> Sent:
    """The work that a request is. Raises InvalidRequest, MalformedBody."""
    kind = request.headers.get("content-type", "")
    bodies.check_body(request.path, kind, request.body)
    return Sent(
        owner=owner,
        key=bodies.check_key(request.headers.get("idempotency-key")),
        digest=bodies.digest_of(request.target, kind, request.body),
        target=request.target,
        headers=bodies.check_line(request.target, request.headers),
        size=len(request.body),
        priority=bodies.priority_of(request.path, kind, request.body),
        body=request.body,
    )


def announced(request: Request, owner: str) -> Sent:
    """The work that POST /accepted announces. Raises InvalidRequest, MalformedBody, TooLarge."""
    target, headers, size, priority = bodies.announced(exchange.json_object(request))
    key = headers.get("idempotency-key") or request.headers.get("idempotency-key")
    return Sent(
        owner=owner,
        key=bodies.check_key(key),
        digest=bodies.digest_of(target, headers.get("content-type", ""), str(size).encode()),
        target=target,
        headers=bodies.check_line(target, headers),
        size=size,
        priority=priority,
    )


def _note(line: dict[str, Any], fault: Exception) -> None:
    line |= {"fault": f"{code(fault)}: {fault}", "advice": advice(fault)}


def _waits(item: Item) -> bool:
    return item["status"] in ("uploading", "waiting", "taken")


def _location(item: Item) -> dict[str, str]:
    return {"Location": f"/accepted/{item['id']}"}


def _status_of_job(item: Item) -> str:
    """In the job API's words, as far as that is known."""
    return {"waiting": "queued", "taken": "running"}.get(item["status"], str(item["status"]))
