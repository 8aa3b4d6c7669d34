"""How much of the time a preemptible job gets while others wait: kept as an account in seconds."""

from __future__ import annotations

from dataclasses import dataclass

SLICE_S = 2.0
"""A paused run goes on once it is owed so much: less would be spent on switching."""
RELOAD_SLICE_S = 60.0
"""The same where its model has to be loaded for it, and others have to leave; so long those have to have been
idle where it is not owed as much."""


@dataclass(frozen=True)
class Account:
    """`owed_s` is what the background has to have yet: it grows while that waits, and is used up."""

    share: float = 0.1
    owed_s: float = 0.0

    def after(self, elapsed_s: float, *, waits: bool, runs: bool, alone: bool) -> Account:
        """After so long in which the background waited, or ran, or was not there.

        What it has while nobody else is there (`alone`) settles what it is owed, and is not held against it.
        """
        if runs:
            least_s = min(0.0, self.owed_s) if alone else -SLICE_S
            cost_s = elapsed_s if alone else elapsed_s * (1 - self.share)
            return Account(self.share, max(least_s, self.owed_s - cost_s))
        if waits:
            return Account(self.share, min(RELOAD_SLICE_S, self.owed_s + elapsed_s * self.share))
        return Account(self.share)

    def is_due(self, *, resident: bool) -> bool:
        """Whether the background's turn has come, its model being loaded or not."""
        return self.share > 0 and self.owed_s >= (SLICE_S if resident else RELOAD_SLICE_S)

    @property
    def is_used_up(self) -> bool:
        """Whether what runs has had its turn."""
        return self.owed_s <= 0
