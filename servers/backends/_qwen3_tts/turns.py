"""The rotary embeddings of positions, looked up in a table instead of computed in each step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

BLOCK = 1024
"""Positions that the table grows by."""


class Turns:
    """Those of one of the package's rotary modules, which takes positions of shape (axes, rows, length)."""

    def __init__(self, rotary: Any, axes: int = 0) -> None:
        self._rotary, self._axes = rotary, axes
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
        cosines, sines = self._rotary(like, positions)
        self._cosines, self._sines = cosines.squeeze(-3), sines.squeeze(-3)
