"""The keys and values that attention looks back at: what the package's layers call a cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

GROWTH = 256
"""Positions of room made at once, where nothing else is said."""


class KeyValues:
    """For each layer keys and values of shape (rows, heads, room, head_dim), of which `length` are in use."""

    def __init__(
        self, keys: Iterable[Tensor] = (), values: Iterable[Tensor] = (), growth: int = GROWTH
    ) -> None:
        self._keys, self._values, self._growth = list(keys), list(values), growth
        self.length = self._keys[0].shape[2] if self._keys else 0

    def restart(self, rows: int) -> None:
        """Forget what was written, and keep the room if there was room for so many rows."""
        self.length = 0
        if self._keys and len(self._keys[0]) != rows:
            self._keys, self._values = [], []

    def update(self, keys: Tensor, values: Tensor, layer: int, _: Any = None) -> tuple[Tensor, Tensor]:
        """Append to one layer and return all of it. The layers of the same positions come in order."""
        if layer == 0:
            self.length += keys.shape[2]
        self._make_room(keys, layer)
        start = self.length - keys.shape[2]
        whole = []
        for room, new in ((self._keys[layer], keys), (self._values[layer], values)):
            room[:, :, start : self.length] = new
            whole.append(room[:, :, : self.length])
        return whole[0], whole[1]

    def _make_room(self, new: Tensor, layer: int) -> None:
        rows, heads, positions, dims = new.shape
        if layer == len(self._keys):
            shape = (rows, heads, positions + self._growth, dims)
            self._keys.append(new.new_empty(shape))
            self._values.append(new.new_empty(shape))
        elif self._keys[layer].shape[2] < self.length:
            more = new.new_empty(rows, heads, self._growth, dims)
            self._keys[layer] = torch.cat((self._keys[layer], more), dim=2)
            self._values[layer] = torch.cat((self._values[layer], more), dim=2)

    def keep(self, rows: Tensor) -> None:
        """Forget all rows but these."""
        self._keys = [room[rows] for room in self._keys]
        self._values = [room[rows] for room in self._values]

    @classmethod
    def side_by_side(cls, caches: Sequence[KeyValues]) -> KeyValues:
        """All rows of all caches, each cache with zeros before it where it is shorter than the longest."""
        length = max(cache.length for cache in caches)

        def beside(rooms: Sequence[list[Tensor]]) -> list[Tensor]:
            return [
                torch.cat(
                    [_right(room, cache.length, length) for room, cache in zip(layer, caches, strict=True)]
                )
                for layer in zip(*rooms, strict=True)
            ]

        return cls(beside([cache._keys for cache in caches]), beside([cache._values for cache in caches]))


def _right(room: Tensor, used: int, length: int) -> Tensor:
    return torch.nn.functional.pad(room[:, :, :used], (0, 0, length - used, 0))
