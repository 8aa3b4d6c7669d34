"""How much of the time a preemptible job gets while others wait: kept as an account in seconds."""

from __future__ import annotations

from dataclasses import dataclass

SLICE_S = 2.0
"""A paused run goes on once it is owed so much: less would be spent on switching."""
RELOAD_SLICE_S = 60.0
"""The same where its model has to be loaded for it, and others have to leave."""


@dataclass(frozen=True)
class Account:
    """`owed_s` is what the background has to have yet: it grows while others are served, and is used up."""

    share: float = 0.1
    owed_s: float = 0.0

    def after(self, elapsed_s: float, *, contended: bool, running: bool) -> Account:
        """After so long with both kinds of work there (`contended`), the background `running` or not.

        Without contention nothing is owed: a job that had the device to itself was owed nothing before.
        """
        if not contended:
            return Account(self.share)
        change_s = elapsed_s * (self.share - 1 if running else self.share)
        return Account(self.share, max(-SLICE_S, min(RELOAD_SLICE_S, self.owed_s + change_s)))

    def is_due(self, *, resident: bool) -> bool:
        """Whether the background's turn has come, its model being loaded or not."""
        return self.share > 0 and self.owed_s >= (SLICE_S if resident else RELOAD_SLICE_S)

    @property
    def is_used_up(self) -> bool:
        """Whether what runs has had its turn."""
        return self.owed_s <= 0
