"""Which script a text is written in, and which languages are written in it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

LATIN = "LATIN"
"""Every synthesiser reads it, if with an accent: names, brands and addresses are written in it everywhere."""
WRITTEN_IN = {
    "ARABIC": "ar ckb fa ku ps sd ug ur", "ARMENIAN": "hy hyw", "BENGALI": "as bn bpy", "BOPOMOFO": "cmn zh",
    "CJK": "cmn hak ja nan yue zh", "CYRILLIC": "ba be bg cv kk ky mk mn ru sr tg tt uk",
    "DEVANAGARI": "bho hi kok mr ne sa", "ETHIOPIC": "am ti", "GEORGIAN": "ka", "GREEK": "el grc",
    "GUJARATI": "gu", "GURMUKHI": "pa", "HANGUL": "ko", "HEBREW": "he yi", "HIRAGANA": "ja", "KANNADA": "kn",
    "KATAKANA": "ja", "KHMER": "km", "LAO": "lo", "MALAYALAM": "ml", "MYANMAR": "my shn", "ORIYA": "or",
    "SINHALA": "si", "TAMIL": "ta", "TELUGU": "te", "THAI": "th", "TIBETAN": "bo dz",
}  # fmt: skip
"""Scripts by the first word of their letters' names in Unicode, with the languages that use them."""
CALLED = {"CJK": "Chinese"}


def unreadable(text: str, languages: Iterable[str]) -> str | None:
    """The script that most of the text's letters are of, where none of the languages is written in it.

    None where most of them can be read; a foreign word or two is a synthesiser's own matter.
    """
    readable = {LATIN, *(script for language in languages for script in _scripts(language))}
    counts = Counter(filter(None, map(_script, unicodedata.normalize("NFKC", text))))
    foreign = {script: count for script, count in counts.items() if script not in readable}
    if sum(foreign.values()) * 2 <= counts.total():
        return None
    most = max(foreign, key=foreign.__getitem__)
    return CALLED.get(most, most.capitalize())


def _scripts(language: str) -> list[str]:
    base = language.casefold().partition("-")[0]
    return [script for script, codes in WRITTEN_IN.items() if base in codes.split()]


def _script(char: str) -> str | None:
    """None for what is no letter, and for letters of no script of their own (a modifier)."""
    if unicodedata.category(char) not in ("Lu", "Ll", "Lt", "Lo"):
        return None
    return unicodedata.name(char, "").partition(" ")[0] or None
