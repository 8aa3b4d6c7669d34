from __future__ import annotations

import pytest

from servers.nearest import AT_MOST, FEW, nearest, possible

NAMES = ["en-US", "en-GB", "en-GB-scotland", "uk", "eu", "de", "english", "german", "klatt4", "Vivian"]
MANY = [f"voice-{n}" for n in range(240)]


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("en-UK", ["en-US", "en-GB", "en-GB-scotland"]),
        ("en_UK", ["en-US", "en-GB", "en-GB-scotland"]),
        ("engish", ["english"]),
        ("vivien", ["Vivian"]),
        ("klat4", ["klatt4"]),
        ("nobody", []),
        ("", []),
        ("-", []),
    ],
)
def test_the_nearest_are_of_the_same_language_or_spelt_alike(wanted, near):
    assert [name for name in nearest(wanted, NAMES) if name in near] == near
    assert bool(nearest(wanted, NAMES)) == bool(near)


def test_no_more_than_a_few_are_near():
    assert len(nearest("voice-1", MANY)) == AT_MOST


def test_a_few_are_all_told_and_of_many_the_nearest_and_what_lists_them():
    told = possible("vivien", NAMES, such_as=["de"], listed="x lists")
    assert told == f"possible are {', '.join(sorted(NAMES))}; near it is Vivian"
    told = possible("voic-17", MANY, such_as=["voice-1"], listed="x lists")
    assert told.startswith("near it are voice-17, ")
    assert told.endswith("; x lists all 240")
    told = possible("nobody", MANY, such_as=["voice-1", "voice-2"], listed="x lists")
    assert told == "possible are voice-1, voice-2 and others; x lists all 240"


def test_there_may_be_none():
    assert possible("a", [], such_as=[], listed="x lists") == "possible are none"
    assert len(MANY) > FEW
