"""Text in paragraphs and sentences, for whoever speaks a book piece by piece."""

from __future__ import annotations

import re

from servers.text.packing import TextSpan, between

PARAGRAPH_BREAK = re.compile(r"\n[^\S\n]*\n\s*")
SENTENCE_END = re.compile(r"(?:(?<![.!?…])[.!?…]+[\"'”’»)\]]*(?=\s+)|[。！？]+[」』”’）]*)\s*")
TITLES = "mr mrs ms dr prof rev hon sr jr st mt gen col lt sgt capt gov sen rep messrs".split()  # noqa: SIM905
SHORT_FORMS = "vs no vol fig approx dept est e.g i.e cf ca".split()  # noqa: SIM905


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, which blank lines separate; a line break inside one becomes a space."""
    pieces = PARAGRAPH_BREAK.split(text.replace("\r\n", "\n").replace("\r", "\n"))
    return [" ".join(piece.split()) for piece in pieces if piece.strip()]


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order and without the white space around them.

    A sentence ends at . ! ? … and what closes quotes after it, followed by white space, or at a full-width
    mark. No sentence ends at the full stop of a title, an initial or a short form, nor before a small letter.
    """
    return [text[start:end] for start, end in sentence_spans(text)]


def sentence_spans(text: str) -> list[TextSpan]:
    """Where each of `sentences` is in the text."""
    places = [0]
    for mark in SENTENCE_END.finditer(text):
        if _ends_here(text[places[-1] : mark.start()], mark.group().strip(), text[mark.end() :]):
            places.append(mark.end())
    return between(text, [*places, len(text)])


def _ends_here(before: str, mark: str, after: str) -> bool:
    next_char = after.lstrip("\"'“‘«([")[:1]
    if next_char.islower():
        return False
    if not mark.startswith(".") or mark.startswith(".."):
        return True
    last = before.rpartition(" ")[2].lstrip("\"'“‘«([").lower()
    return last not in TITLES and last not in SHORT_FORMS and not _is_initial(last)


def _is_initial(word: str) -> bool:
    """The J of "J. Smith", but not the I of "It was I." and no number."""
    return len(word) == 1 and word.isalpha() and word not in "ai"
