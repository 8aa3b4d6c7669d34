from __future__ import annotations

import pytest

from servers.elevenlabs.alignment import Alignment
from servers.elevenlabs.spoken import Piece

AUDIO = bytes(range(20))
TOLD = Alignment("so", 0, (1_000, 2_000))
"""Of ten samples, four a second: those from 2 on are the piece."""


@pytest.mark.parametrize(
    ("start", "rest"),
    [
        (-5, Piece(AUDIO, TOLD, 2)),
        (2, Piece(AUDIO, TOLD, 2)),
        (3, Piece(AUDIO[2:], TOLD, 3)),
        (4, Piece(AUDIO[4:], Alignment("o", 1_000, (2_000,)), 4)),
        (8, Piece(AUDIO[12:], None, 8)),
        (12, None),
        (99, None),
    ],
)
def test_a_piece_from_a_sample_on_has_the_characters_that_have_not_ended(
    start: int, rest: Piece | None
) -> None:
    assert Piece(AUDIO, TOLD, 2).after(start, rate_hz=4) == rest


def test_characters_are_told_though_no_audio_is_left_where_they_end_later() -> None:
    assert Piece(AUDIO[:4], TOLD, 2).after(5, rate_hz=4) == Piece(b"", Alignment("o", 1_000, (2_000,)), 5)


def test_what_has_no_samples_has_no_part() -> None:
    piece = Piece(AUDIO, TOLD)
    assert piece.after(5, rate_hz=4) is piece
    assert piece.end == 0
