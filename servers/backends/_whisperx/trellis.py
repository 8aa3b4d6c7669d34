"""Forced alignment: the likeliest path through a CTC model's emissions that emits given tokens in order.

The recursion is that of PyTorch's forced alignment tutorial, which whisperx.align uses too: each token is
emitted in one frame, and the frames until the next one are blank. Here a step of it is one operation on all
tokens, and what is kept of it is one bit for each token and frame, so that an hour with its text fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Emission = NDArray[np.float32]
"""Log probabilities, shape (frames, letters)."""
IMPOSSIBLE = -np.inf


@dataclass(frozen=True)
class TokenSpan:
    """The frames of one token, `end` excluded, and its mean probability in them."""

    start: int
    end: int
    probability: float


class Trellis:
    """Grows by the emissions of a recording, block by block; then `token_spans` reads the path back.

    A token with the number of letters (one past the last) is a wildcard: it is whatever letter is likeliest.
    """

    def __init__(self, tokens: NDArray[np.intp], blank: int) -> None:
        self._tokens, self._blank = tokens, blank
        self._score = np.full(len(tokens) + 1, IMPOSSIBLE)
        self._score[0] = 0.0
        self._moves: list[NDArray[np.uint8]] = []
        self._emissions: list[Emission] = []
        self._frames, self._end, self._best = 0, 0, IMPOSSIBLE

    def extend(self, emission: Emission) -> None:
        wild = with_wildcard(emission, self._blank)
        self._emissions.append(wild)
        for frame in wild.astype(np.float64):
            self._step(frame[self._blank], frame[self._tokens])

    def _step(self, blank: float, tokens: NDArray[np.float64]) -> None:
        score = self._score
        stay, move = score[1:] + blank, score[:-1] + tokens
        self._moves.append(np.packbits(move > stay))
        np.maximum(stay, move, out=score[1:])
        score[0] += blank
        self._frames += 1
        if score[-1] > self._best:
            self._end, self._best = self._frames, score[-1]

    def token_spans(self) -> list[TokenSpan] | None:
        """One for each token, in order; None where there are more tokens than frames.

        The path ends where it is likeliest, not at the last frame: what is said after the text costs nothing.
        """
        if not len(self._tokens) or self._best == IMPOSSIBLE:
            return None
        return self._spans(np.concatenate(self._emissions), self._starts())

    def _starts(self) -> list[int]:
        """The frame in which each token is emitted."""
        starts = [0] * len(self._tokens)
        token, frame = len(self._tokens) - 1, self._end - 1
        while token >= 0:
            if self._moved(frame, token):
                starts[token] = frame
                token -= 1
            frame -= 1
        return starts

    def _moved(self, frame: int, token: int) -> bool:
        return bool(self._moves[frame][token >> 3] >> (7 - (token & 7)) & 1)

    def _spans(self, emission: Emission, starts: list[int]) -> list[TokenSpan]:
        ends = [*starts[1:], self._end]
        blanks = np.concatenate([[0.0], np.cumsum(np.exp(emission[:, self._blank], dtype=np.float64))])
        return [
            TokenSpan(
                start, end, (np.exp(emission[start, token]) + blanks[end] - blanks[start + 1]) / (end - start)
            )
            for token, start, end in zip(self._tokens, starts, ends, strict=True)
        ]


def with_wildcard(emission: Emission, blank: int) -> Emission:
    """The emission with one letter more: in each frame as likely as the likeliest that is not blank."""
    letters = np.delete(emission, blank, axis=1)
    return np.concatenate([emission, letters.max(axis=1, keepdims=True)], axis=1)


def needed_bytes(tokens: int, frames: int) -> int:
    """What a Trellis keeps of so many tokens and frames, its emissions apart."""
    return frames * -(-tokens // 8)
