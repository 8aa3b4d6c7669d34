"""What attention looks back at: the keys and values of all positions, and their rotary embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

GROWTH = 256
"""Positions of room made at once, where nothing else is said."""
BLOCK = 1024
"""Positions that the table of rotary embeddings grows by."""


class KeyValues:
    """What the package's layers call a cache.

    For each layer keys and values of shape (rows, heads, room, head_dim), of which `length` are in use.
    """

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

    def keep(self, rows: Tensor, start: int = 0) -> None:
        """Forget all rows but these, and the positions before `start`."""
        self._keys = [room[rows, :, start:] for room in self._keys]
        self._values = [room[rows, :, start:] for room in self._values]
        self.length -= start

    @classmethod
    def side_by_side(cls, caches: Sequence[KeyValues]) -> KeyValues:
        """All rows of all caches, each cache with zeros before it where it is shorter than the longest."""
        lengths = [cache.length for cache in caches]
        keys = [_stacked(layer, lengths) for layer in zip(*(each._keys for each in caches), strict=True)]
        values = [_stacked(layer, lengths) for layer in zip(*(each._values for each in caches), strict=True)]
        both = cls(keys, values)
        both.length = max(lengths)
        return both


def _stacked(rooms: Sequence[Tensor], used: Sequence[int]) -> Tensor:
    """The rows of all rooms in one that has room to grow, so that the next frame copies nothing."""
    _, heads, _, dims = rooms[0].shape
    length = max(used)
    both = rooms[0].new_empty(sum(map(len, rooms)), heads, length + GROWTH, dims)
    for into, room, positions in zip(both.split([len(room) for room in rooms]), rooms, used, strict=True):
        into[:, :, : length - positions] = 0
        into[:, :, length - positions : length] = room[:, :, :positions]
    return both


class Rotary:
    """One of the package's rotary modules as a table, looked up in each step instead of computed.

    The module takes positions of shape (axes, rows, length), or (rows, length) where `axes` is 0.
    """

    def __init__(self, module: Any, axes: int = 0) -> None:
        self._module, self._axes = module, axes
        self._cosines = self._sines = torch.empty(0)
        self._length = 0

    def at(self, position: Tensor, last: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (axes, rows, 1, head_dim) for positions (rows,), none above `last`.

        They are on the device and in the dtype of `like`.
        """
        if last >= self._length:
            self._make(last, like)
        return self._cosines[..., position, None, :], self._sines[..., position, None, :]

    def span(self, start: int, end: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (1, end - start, head_dim) of positions in a row, the same for each row."""
        if end >= self._length:
            self._make(end, like)
        return self._cosines[None, start:end], self._sines[None, start:end]

    def _make(self, last: int, like: Tensor) -> None:
        self._length = (last // BLOCK + 1) * BLOCK
        positions = torch.arange(self._length, device=like.device)[None]
        if self._axes:
            positions = positions[None].expand(self._axes, -1, -1)
        cosines, sines = self._module(like, positions)
        self._cosines, self._sines = cosines.squeeze(-3), sines.squeeze(-3)
