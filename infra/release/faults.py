"""What goes wrong with a release.

ReleaseFault            a sentence for whoever asked for it
├── Refused             it was not begun
├── TakenOver           another one goes on with it
└── Undone              it failed, and the old one serves
"""

from __future__ import annotations


class ReleaseFault(Exception):
    """Its text says what happened, and what can be done."""


class Refused(ReleaseFault):
    pass


class TakenOver(ReleaseFault):
    pass


class Undone(ReleaseFault):
    pass
