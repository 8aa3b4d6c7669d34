"""How a command fails: output.py makes one line and an exit code of it."""

from __future__ import annotations


class CommandFailed(Exception):
    """Part of the work failed, and was reported as it did; the message sums it up."""


class WrongUsage(Exception):
    """Arguments that do not go together, or name what is not there."""


class ConfigError(Exception):
    """A configuration that cannot be used; the message names the file and the key."""


class Unreachable(Exception):
    """No server answers there; the message names the address."""


class MachineOff(Unreachable):
    """The machine is off, and says so; the message says how to start it."""


class NoMachine(WrongUsage):
    """Nothing there starts or stops a machine; the message names the address, and where to name another."""
