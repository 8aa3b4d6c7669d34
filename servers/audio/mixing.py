"""From many channels to one, without losing what they have in common."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

OPPOSED = 0.5
"""From this correlation on two signals count as the same one, with its sign turned where it is negative."""

Block = NDArray[np.float32]


class MixDown:
    """Mixes a recording down, block by block: the mean of the channels, each with the sign that keeps it.

    A channel is turned where it would take away what the channels before it have brought: with m their sum,
    where Σ m·c < −OPPOSED · √(Σ m² · Σ c²) over the block. So two channels in antiphase are heard as either
    of them is, and the mean of ordinary channels is the plain one. A sign is kept until a block says the
    contrary as clearly, so that it does not change back and forth.
    """

    def __init__(self, channels: int) -> None:
        self._signs = np.ones(channels, np.float32)

    def mixed(self, block: Block) -> Block:
        """A block of finite samples, shape (frames, channels), as a new array (frames,)."""
        if len(self._signs) > 1:
            self._turn(block)
        turned = block * self._signs if (self._signs < 0).any() else block
        mono: Block = turned.mean(axis=1, dtype=np.float32)
        return mono

    def _turn(self, block: Block) -> None:
        mixed = np.zeros(len(block), np.float32)
        for index in range(len(self._signs)):
            channel = np.ascontiguousarray(block[:, index])
            similarity = _correlation(mixed, channel)
            if abs(similarity) > OPPOSED:
                self._signs[index] = math.copysign(1.0, similarity)
            mixed += self._signs[index] * channel


def _correlation(one: Block, other: Block) -> float:
    """In −1…1; 0 where one of them is silent."""
    energies = float(np.dot(one, one)) * float(np.dot(other, other))
    return float(np.dot(one, other)) / math.sqrt(energies) if energies > 0 else 0.0
