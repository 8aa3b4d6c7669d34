"""The ledger: what was started and stopped, by whom, why, and what came of it. An event is an item."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from appliance.table import ABSENT, LEDGER, Table


def write(table: Table, event: str, at: float, **fields: Any) -> None:
    """One entry, which is in the order of time by its id. A field that is None is left out."""
    id = f"{moment(at)}#{uuid.uuid4().hex[:6]}"
    table.put({"kind": LEDGER, "id": id, "event": event, "at": at} | fields, ABSENT)


def moment(at: float) -> str:
    """As ids begin: ISO, UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
