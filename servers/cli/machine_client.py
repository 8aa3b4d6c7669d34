"""What starts and stops the machine of an appliance, over HTTP: /machine at its load balancer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from servers.cli.failures import CommandFailed, NoMachine
from servers.cli.transport import CONNECT_TIMEOUT_S, Transport, body_of, reply
from servers.errors import SkylarkError
from servers.server_config import ClientConfig

if TYPE_CHECKING:  # a command's help does not wait for it
    import requests

TIMEOUTS_S = (CONNECT_TIMEOUT_S, 35.0)
"""The second is a little over the time that its function has."""
TAKEN = (200, 202)
UNSTOPPABLE = "unstoppable"


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Stage(_Told):
    """A part of a start. `seconds` are those so far; `usual_s` what it took of late."""

    stage: str
    state: str = "waiting"  # or running, done
    seconds: float | None = None
    usual_s: float | None = None


class Hold(_Told):
    """`until` is None where somebody wrote what nobody can read: it holds until that is mended."""

    by: str
    until: float | None = None
    why: str | None = None


class Fault(_Told):
    code: str = ""
    message: str = ""
    next_attempt_at: float | None = None


class Stopped(_Told):
    at: float
    by: str = ""
    why: str = ""


class Cost(_Told):
    """Dollars; None is unknown."""

    today: float | None = None
    month: float | None = None
    saved_month: float | None = None


class Status(_Told):
    """How the machine is. Times are seconds since 1970."""

    appliance: str = ""
    state: str  # off, starting, ready, stopping, failed
    stage: str | None = None
    stages: tuple[Stage, ...] = ()
    left_s: float | None = None
    asked_by: str | None = None
    why: str | None = None
    asked_at: float | None = None
    instance: str | None = None
    type: str | None = None
    zone: str | None = None
    spot: bool | None = None
    holds: tuple[Hold, ...] = ()
    active: float | None = None
    idle_s: float | None = None
    stops_at: float | None = None
    waiting: int | None = None
    fault: Fault | None = None
    stopped: Stopped | None = None  # the last time, of a machine that is off
    price_per_hour: float | None = None
    cost: Cost | None = None


def machine_url(client: ClientConfig) -> str:
    """https://gpu.example.com/machine, where the servers are at https://gpu.example.com/tts."""
    return client.at_host("/machine") if client.machine_url is None else client.machine_url


class MachineClient:
    """Close it after use, or use it in a with statement. Each answer is the machine's own JSON.

    Raises NoMachine where there is no such thing, Unreachable, or the machine's SkylarkError.
    """

    def __init__(self, client: ClientConfig) -> None:
        self.url = machine_url(client)
        self._transport = Transport(client.api_key)

    def __enter__(self) -> MachineClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def status(self) -> dict[str, Any]:
        return self._ask("GET", "")

    def look(self) -> dict[str, Any]:
        """The same by one attempt, for who asks again anyhow."""
        return self._answer(self._transport.request("GET", self.url, timeout=TIMEOUTS_S))

    def start(self, *, why: str, hold_s: float) -> dict[str, Any]:
        """Whoever is the second joins the first one's start."""
        return self._ask("POST", "/start", json={"why": why, "hold_s": hold_s})

    def stop(self, *, why: str | None, force: bool) -> dict[str, Any]:
        """Raises CommandFailed while it works or others hold it, unless it is forced."""
        wish = {"force": force} | ({"why": why} if why else {})
        return self._ask("POST", "/stop", json=wish)

    def hold(self, for_s: float, *, why: str | None) -> dict[str, Any]:
        """0 takes the caller's own hold away."""
        return self._ask("POST", "/hold", json={"for_s": for_s} | ({"why": why} if why else {}))

    def ledger(self, days: int) -> dict[str, Any]:
        return self._ask("GET", "/ledger", params={"days": days})

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        url = f"{self.url}{path}"
        return self._answer(self._transport.answered(method, url, timeout=TIMEOUTS_S, **options))

    def _answer(self, response: requests.Response) -> dict[str, Any]:
        if response.status_code == 404:
            raise NoMachine(
                f"{self.url} is not there: nothing starts or stops a machine at that host. Where it is "
                "elsewhere, say so by machine_url in server_config.json, or by --machine"
            )
        if response.status_code == 409:
            raise CommandFailed(_refusal(body_of(response)))
        return reply(response, TAKEN)


def _refusal(body: Any) -> str:
    """The machine says what stands in the way, and whether force helps."""
    error = body.get("error") if isinstance(body, dict) else None
    told = error if isinstance(error, dict) else {}
    message = str(told.get("message") or "it is busy, or held")
    return message if told.get("code") == UNSTOPPABLE else f"{message} (`skylark stop-gpu --force`)"


def read(answer: dict[str, Any]) -> Status:
    """Raises SkylarkError where it is no status of a machine."""
    try:
        return Status.model_validate(answer)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
        raise SkylarkError(f"what the machine answered is no status of one: {fields}") from None
