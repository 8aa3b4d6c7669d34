"""Which clips make which step: pure, so that a training that goes on finds the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def held_out(clips: int, share: float, seed: int) -> frozenset[int]:
    """The places of those that are not trained with."""
    drawn = np.random.default_rng([seed, 0]).permutation(clips)
    return frozenset(drawn[: int(clips * share)].tolist())


@dataclass(frozen=True)
class Schedule:
    """Of `clips` clips by their places. In each epoch each comes once, in another order."""

    clips: int
    batch_size: int
    accumulation: int
    epochs: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.clips // (self.batch_size * self.accumulation))

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def epoch(self, step: int) -> int:
        """From 0, as the steps are counted."""
        return step // self.steps_per_epoch

    def ends_epoch(self, step: int) -> bool:
        return (step + 1) % self.steps_per_epoch == 0

    def batches(self, step: int) -> Sequence[Sequence[int]]:
        """The clips of a step, in the batches that are computed one after the other."""
        order = np.random.default_rng([self.seed, 1, self.epoch(step)]).permutation(self.clips).tolist()
        size = self.batch_size * self.accumulation
        first = (step % self.steps_per_epoch) * size
        together = order[first : first + size]
        return [together[at : at + self.batch_size] for at in range(0, len(together), self.batch_size)]
