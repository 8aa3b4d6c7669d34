"""Written text in spoken form by NeMo's grammars: "$45.50" is "forty five dollars fifty cents"."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from servers.extras import require
from servers.text.languages import language_code
from servers.text.sentences import paragraphs, sentences

LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "hu", "hy", "it", "ja", "ko", "pt", "sv", "vi", "zh")
"""Those that work: its Russian grammar lists possibilities only, its Kinyarwanda one cannot be read back."""

_grammars_in_use = threading.Lock()


def normalize(text: str, grammars: Path, language: str = "en") -> str:
    """The text as it is spoken; white space becomes one space, a blank line stays between paragraphs.

    Making a language's grammar takes half a minute; it is left in the folder `grammars`, from where the next
    process reads it in a second. Python's lock is held all the while. Raises InvalidRequest for an unknown
    language, MissingExtra without NeMo. Thread-safe.
    """
    require("nemo", "nemo_text_processing", "pynini")
    code = language_code(language, LANGUAGES)
    with _grammars_in_use:
        normalizer = _normalizer(code, grammars)
        # by the sentence, because time and memory grow faster than the text: 3 GB for a page of German
        spoken = [[_spoken(normalizer, sentence) for sentence in sentences(one)] for one in paragraphs(text)]
    return "\n\n".join(" ".join(paragraph) for paragraph in spoken)


def _spoken(normalizer: Any, sentence: str) -> str:
    words: str = normalizer.normalize(sentence, punct_post_process=True)
    return words.strip()


@cache
def _normalizer(code: str, grammars: Path) -> Any:
    """Reads the grammar, or makes it: in a folder of its own first, so that no half of one is ever read."""
    from nemo_text_processing.text_normalization.normalize import Normalizer

    logging.getLogger("NeMo-text-processing").disabled = True  # it logs the texts
    place = grammars / f"{code}-{version('nemo_text_processing')}"
    if place.is_dir():
        return Normalizer(input_case="cased", lang=code, cache_dir=str(place))
    grammars.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=grammars, ignore_cleanup_errors=True) as making:
        made = Normalizer(input_case="cased", lang=code, cache_dir=making)
        with suppress(OSError):  # another process was quicker
            Path(making).rename(place)
    return made
