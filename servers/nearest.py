"""What a misspelt name may have meant: the end of a sentence that refuses one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

FEW = 30
"""So many names are told in full; of more, those that are near, and where all of them stand."""
AT_MOST = 5
NEAR = 0.6
VOICES_LISTED = "`skylark voices MODEL` lists"


def possible(wanted: str, known: Collection[str], *, such_as: Sequence[str], listed: str) -> str:
    """ "possible are …": all of a few, else the nearest to `wanted`, or `such_as` where none is near.

    `listed` says what lists them all, up to their number.
    """
    near = nearest(wanted, known)
    if len(known) <= FEW:
        hint = f"; near it is {' or '.join(near)}" if near else ""
        return f"possible are {', '.join(sorted(known)) or 'none'}{hint}"
    some = f"near it are {', '.join(near)}" if near else f"possible are {', '.join(such_as)} and others"
    return f"{some}; {listed} all {len(known)}"


def nearest(wanted: str, known: Collection[str]) -> list[str]:
    """At most AT_MOST of them as they are spelt: those of its language first, then by their letters."""
    folded = {name.casefold(): name for name in known}
    word = wanted.strip().casefold().replace("_", "-")
    close = difflib.get_close_matches(word, folded, n=AT_MOST, cutoff=NEAR)
    first, *more = re.split(r"[-+]", word)
    kin = [name for name in folded if more and first and re.split(r"[-+]", name)[0] == first]
    kin.sort(key=lambda name: -difflib.SequenceMatcher(None, word, name).ratio())
    return [folded[name] for name in dict.fromkeys((*kin, *close))][:AT_MOST]
