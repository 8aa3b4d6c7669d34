"""Whose the waiting work is: taken for a time, renewed, given back, ended. Every change is made only where
the table is still as it was believed to be, so that two machines never end one piece of work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from servers.cloud.connection import CloudFailed, asking
from servers.cloud.table import ENDED, WAITING, Table, to_attribute
from servers.intake.outcomes import Back
from servers.intake.work import ONLY_OF_WAITING, TAKEN, Work
from servers.intake.work import WAITING as WAITS

LEASE_S = 120.0
KEEP_S = 7 * 86_400.0
"""How long the table tells of what has ended, and the bucket has its result."""
UNCHANGED = "ConditionalCheckFailed"
STILL_OURS = "taken_by = :holder AND attempts = :attempts"


class Leases:
    """`client` is boto3's of DynamoDB, `holder` the name of this machine. Every method raises CloudFailed."""

    def __init__(self, client: Any, table: str, holder: str) -> None:
        self._client, self._table, self.holder = client, table, holder
        self._items = Table(client, table)

    def look(self) -> list[dict[str, Any]]:
        """All that waits, as it is now."""
        return list(self._items.items(WAITING))

    def take(self, work: Work, now: float) -> Work | None:
        """The work as it is from now on; None where another was faster, or it was withdrawn."""
        taken = dict(work.item) | {
            "status": TAKEN,
            "taken_by": self.holder,
            "taken_at": now,
            "lease_until": now + LEASE_S,
            "attempts": work.attempts + 1,
        }
        free = "(#status = :waits OR lease_until < :now OR taken_by = :taken_by)"
        before = {"before": work.attempts} if "attempts" in work.item else {}
        as_read = "attempts = :before" if before else "attribute_not_exists(attempts)"
        is_taken = self._update(
            work.id,
            "SET #status = :status, taken_by = :taken_by, taken_at = :taken_at, lease_until = :lease_until,"
            " attempts = :attempts REMOVE not_before",
            f"attribute_exists(id) AND {as_read} AND {free}",
            {name: taken[name] for name in ("status", "taken_by", "taken_at", "lease_until", "attempts")}
            | {"waits": WAITS, "now": now}
            | before,
        )
        return Work.of(taken) if is_taken else None

    def renew(self, work: Work, now: float) -> bool:
        """False where it is no longer ours."""
        values = self._ours(work) | {"until": now + LEASE_S}
        return self._update(work.id, "SET lease_until = :until", STILL_OURS, values)

    def give_back(self, work: Work, back: Back, now: float) -> bool:
        """It waits again. False where it was no longer ours."""
        values = {
            "waits": WAITS,
            "not_before": now + back.after_s,
            "why": back.why,
            "failures": work.failures + back.failed,
            "renewals": work.renewals + back.anew,
        }
        return self._update(
            work.id,
            "SET #status = :waits, not_before = :not_before, why = :why, failures = :failures,"
            " renewals = :renewals REMOVE taken_by, lease_until",
            STILL_OURS,
            self._ours(work) | values,
        )

    def end(self, work: Work, values: Mapping[str, Any], now: float) -> bool:
        """It has ended, with these values beside what was known of it. False where it was no longer ours.

        What waits has no end yet: who accepts sees to that. Only a job that went from one machine to another
        ends with each of them.
        """
        known = {name: value for name, value in work.item.items() if name not in ONLY_OF_WAITING}
        ended = known | dict(values) | {"kind": ENDED, "ended_at": now, "expires_at": int(now + KEEP_S)}
        ours = {f":{name}": to_attribute(value) for name, value in self._ours(work).items()}
        delete = {"Key": _key(work.id), "ConditionExpression": STILL_OURS, "ExpressionAttributeValues": ours}
        put = {"Item": _attributes(ended)}
        both = [{"Delete": delete | self._where()}, {"Put": put | self._where()}]
        return _is_done(lambda: self._client.transact_write_items(TransactItems=both))

    def _ours(self, work: Work) -> dict[str, Any]:
        return {"holder": self.holder, "attempts": work.attempts}

    def _update(self, id: str, change: str, condition: str, values: Mapping[str, Any]) -> bool:
        names = {"#status": "status"} if "#status" in change + condition else {}
        asked = {
            "Key": _key(id),
            "UpdateExpression": change,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {f":{name}": to_attribute(value) for name, value in values.items()},
            **({"ExpressionAttributeNames": names} if names else {}),
        }
        return _is_done(lambda: self._client.update_item(**asked, **self._where()))

    def _where(self) -> dict[str, str]:
        return {"TableName": self._table}


def _key(id: str) -> dict[str, Any]:
    return _attributes({"kind": WAITING, "id": id})


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: to_attribute(value) for name, value in values.items()}


def _is_done(write: Callable[[], object]) -> bool:
    """False where a condition of the write did not hold. Raises CloudFailed."""
    try:
        with asking():
            write()
    except CloudFailed as failed:
        if failed.code == f"{UNCHANGED}Exception" or UNCHANGED in _reasons(failed):
            return False
        raise
    return True


def _reasons(failed: CloudFailed) -> set[str]:
    """Why a transaction was cancelled, item by item."""
    response = getattr(failed.__cause__, "response", {})
    return {reason.get("Code", "") for reason in response.get("CancellationReasons", [])}
