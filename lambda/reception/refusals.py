"""What reception refuses beside what every function does (appliance/exchange.py)."""

from __future__ import annotations

from appliance.exchange import Conflict, InvalidRequest, Refused


class TooLarge(InvalidRequest):
    code, status = "too_large", 413


class QueueFull(Refused):
    """With retry_after_s."""

    code, status = "queue_full", 429


class Begun(Conflict):
    """It is no longer what it would have to be."""


class MachineOff(Refused):
    """With retry_after_s, and with `machine`: its state, the stage of its start, and the time left."""

    code, status = "machine_off", 503
