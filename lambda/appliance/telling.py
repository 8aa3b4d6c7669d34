"""What a start has to tell is told: into the ledger, and to a person, each once."""

from __future__ import annotations

from appliance import ledger
from appliance.appliance import Appliance
from appliance.changes import told
from appliance.starts import Start, change


def tell(appliance: Appliance, sent: Start, now: float) -> Start:
    """`sent` is claimed, and written. The start then; where this ends half way another function tells it."""
    for entry in sent.entries:
        fields = {name: value for name, value in entry.items() if name not in ("event", "at")}
        ledger.write(appliance.table, entry["event"], entry["at"], **fields)
    if sent.notice:
        appliance.notify(sent.notice, sent.notice_why)
    return change(appliance.starts, lambda start: told(start, sent, now))
