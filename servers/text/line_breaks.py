"""Where a line of timed words may be broken, and how well: never inside a word, best after a sentence.

The rules are those of Netflix's Timed Text Style Guide, General Requirements, "Line Treatment": break after
punctuation and before conjunctions and prepositions; part no noun from its article, no verb from its pronoun
or its auxiliary. What may not begin or end a line of Chinese or Japanese is from JIS X 4051 (kinsoku shori).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from servers.speech import Word
from servers.text.packing import CLAUSE_END
from servers.text.sentences import sentence_spans

SENTENCE, CLAUSE, PLAIN, LEANING, INSIDE = 0, 4, 12, 20, 40
"""What a break costs: at the end of a sentence; of a clause; between two words; after one that belongs to the
next; where only a dictionary would know whether it is inside a word.
"""
BREATH_S = 0.3
"""A silence that parts clauses, where a transcript has no commas."""
ENDED = re.compile(r"[.!?…。！？][\"'”’»)\]」』”’）]*$")
"""What a word ends with that ends a sentence."""
LOOK_AHEAD = 80
"""Characters of the text in which its next word is looked for."""
IDEOGRAPHIC = (
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "KATAKANA-HIRAGANA",
    "IDEOGRAPHIC",
    "FULLWIDTH",
    "HALFWIDTH",
    "BOPOMOFO",
)
"""Scripts, by the first word of their characters' names in Unicode, that may be broken between characters."""
SYLLABIC = ("THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts with no spaces between words, whose words are of several characters."""
BEGINS_NO_LINE = frozenset(
    "、。，．・：；？！ー―…‥）］｝〕〉》」』】〙〗〟’”»々〻ゝゞヽヾ"
    "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ!?.,:;)]}%‰℃ๆฯຯໆ។៕၊။ะาำຳະາ"
)
ENDS_NO_LINE = frozenset("（［｛〔〈《「『【〘〖〝‘“«([{$£¥￥＄เแโใไເແໂໃໄ")
APART = frozenset("!?:;»%")
"""What French writes after a space, and on the same line."""
LEANS = {
    "en": "a an the this that these those my your his her its our their and or but nor so if as than "
          "because when while which who whose of to in on at by for from with into onto over under "
          "about after before between through without is are was were be been am has have had do does "
          "did will would shall should can could may might must not no very i you he she it we they mr "
          "mrs ms dr",
    "de": "der die das den dem des ein eine einen einem einer eines mein dein sein ihr unser kein keine "
          "und oder aber denn dass weil wenn als wie ob in im an am auf aus bei beim mit nach von vom "
          "zu zum zur für über unter vor durch gegen ohne um ist sind war hat haben wird nicht sehr ich "
          "du er sie es wir",
    "fr": "le la les un une des du de au aux ce cet cette ces mon ma mes ton ta tes son sa ses notre "
          "votre leur leurs et ou mais donc car que qui si comme quand dans en sur sous par pour avec "
          "sans chez vers à est sont a ont ne très je tu il elle on nous vous ils elles",
    "es": "el la los las un una unos unas mi tu su sus y e o u pero que si como cuando porque de del a "
          "al en con por para sin sobre entre hasta desde es son ha han no muy se me te lo le",
    "it": "il lo la i gli le un uno una e o ma che se come quando perché di del della dei a al alla da "
          "dal in nel nella con su sul per tra fra è sono ha hanno non molto si mi ti",
    "pt": "o a os as um uma e ou mas que se como quando porque de do da dos das em no na nos nas por "
          "para com sem sobre é são tem não muito me te",
}  # fmt: skip
"""Words of a language, without its region, that a line should not end with; nor should it with a number."""


@dataclass(frozen=True)
class Piece:
    """What stays on one line: a word, or several without a place to break between them."""

    text: str
    columns: int
    start: float
    """Seconds, as `end`."""
    end: float
    speaker: str | None
    spaced: bool
    """Whether a space is before it, where something is."""


def columns(text: str) -> int:
    """How wide a text is: 2 for a wide character (UAX #11: W and F), 0 for a mark, 1 for any other."""
    return sum(map(_columns, text))


def is_ideographic(char: str) -> bool:
    """Whether it is in a script that may be broken between characters."""
    return _in_script(char, IDEOGRAPHIC)


def is_unspaced(char: str) -> bool:
    """Whether it is in a script with no spaces between words."""
    return is_ideographic(char) or _in_script(char, SYLLABIC)


def pieces(words: Iterable[Word], text: str | None = None) -> list[Piece]:
    """The words in order, joined where no line may break. What is only white space is left out.

    `text` is what the words are of, as it was written: it has the spaces. Without it there is one between any
    two words that are both in a script that has them.
    """
    found: list[Piece] = []
    place = 0
    for word in words:
        written = " ".join(word.word.split())
        if not written:
            continue
        before = found[-1] if found else None
        spaced = before is not None and _spaced(before.text, written)
        raw = word.word.strip()
        if text is not None and (at := text.find(raw, place, place + LOOK_AHEAD + len(raw))) >= 0:
            spaced = any(map(str.isspace, text[place:at]))
            place = at + len(raw)
        start, end = _times(word, before)
        piece = Piece(written, columns(written) or 1, start, end, word.speaker, spaced)
        if before is None or _may_break(before.text, piece) or not _same(before, piece):
            found.append(piece)
        else:
            found[-1] = _joined(before, piece)
    return found


def line(parts: Sequence[Piece]) -> str:
    """What stands on the line."""
    return "".join(f" {part.text}" if part.spaced else part.text for part in parts).removeprefix(" ")


def break_costs(parts: Sequence[Piece], language: str | None = None) -> list[int]:
    """What it costs to break after each of the pieces, SENTENCE … INSIDE."""
    text, ends = "", []
    for part in parts:
        text += f" {part.text}" if part.spaced and text else part.text
        ends.append(len(text))
    sentence_ends = {end for _, end in sentence_spans(text)}
    clause_ends = {mark.end() for mark in CLAUSE_END.finditer(text)}
    leans = frozenset(LEANS.get((language or "").partition("-")[0].lower(), "").split())
    costs = []
    for index, end in enumerate(ends):
        after = parts[index + 1] if index + 1 < len(parts) else None
        if end in sentence_ends:
            costs.append(SENTENCE)
        elif after is None or end in clause_ends:
            costs.append(CLAUSE)
        else:
            costs.append(_cost_between(parts[index], after, leans))
    return costs


def _times(word: Word, before: Piece | None) -> tuple[float, float]:
    """Those of a dash fill the pause that it is in: it is taken to end what is before that, or to begin the
    next sentence, in no time.
    """
    if not word.interpolated or any(map(str.isalnum, word.word)):
        return word.start, word.end
    begins = before is None or ENDED.search(before.text)
    return (word.end, word.end) if begins else (word.start, word.start)


def _cost_between(before: Piece, after: Piece, leans: frozenset[str]) -> int:
    word = before.text.lower().strip("\"'“‘«(.")
    if after.spaced and (word in leans or word.isnumeric()):
        return LEANING
    if after.start - before.end >= BREATH_S or (after.spaced and is_unspaced(before.text[-1])):
        return CLAUSE  # a space is punctuation in a script without spaces
    return INSIDE if _in_script(before.text[-1], SYLLABIC) else PLAIN


def _spaced(before: str, after: str) -> bool:
    """Whether a space is written between them, as far as their scripts tell."""
    return not (is_unspaced(before[-1]) or is_unspaced(after[0]))


def _may_break(before: str, after: Piece) -> bool:
    if after.spaced:
        return before != "«" and not APART.issuperset(after.text)
    first = after.text[0]
    if first in BEGINS_NO_LINE or before[-1] in ENDS_NO_LINE or unicodedata.category(first)[0] == "M":
        return False
    return not _spaced(before, after.text)


def _same(before: Piece, after: Piece) -> bool:
    """Whether one speaker says both."""
    return None in (before.speaker, after.speaker) or before.speaker == after.speaker


def _joined(before: Piece, after: Piece) -> Piece:
    return Piece(
        f"{before.text} {after.text}" if after.spaced else before.text + after.text,
        before.columns + after.columns + after.spaced,
        before.start,
        max(before.end, after.end),
        before.speaker or after.speaker,
        before.spaced,
    )


@lru_cache(maxsize=4096)
def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


@lru_cache(maxsize=8192)
def _in_script(char: str, scripts: tuple[str, ...]) -> bool:
    return unicodedata.name(char, "").partition(" ")[0] in scripts
