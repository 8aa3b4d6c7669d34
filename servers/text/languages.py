"""Languages as people name them: "english", "en", "en-US"."""

from __future__ import annotations

from collections.abc import Collection

from servers.errors import InvalidRequest

NAMES = {
    "af": "afrikaans", "ar": "arabic", "bg": "bulgarian", "bn": "bengali", "ca": "catalan", "cs": "czech",
    "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "et": "estonian",
    "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish", "he": "hebrew",
    "hi": "hindi", "hr": "croatian", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "is": "icelandic", "it": "italian", "ja": "japanese", "ko": "korean", "la": "latin", "lt": "lithuanian",
    "lv": "latvian", "mk": "macedonian", "ml": "malayalam", "mr": "marathi", "ms": "malay",
    "nb": "norwegian", "nl": "dutch", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sk": "slovak", "sl": "slovenian", "sq": "albanian", "sr": "serbian",
    "sv": "swedish", "sw": "swahili", "ta": "tamil", "te": "telugu", "th": "thai", "tl": "tagalog",
    "tr": "turkish", "uk": "ukrainian", "ur": "urdu", "vi": "vietnamese", "yo": "yoruba", "zh": "chinese",
}  # fmt: skip
CODES = {name: code for code, name in NAMES.items()} | {"no": "nb"}


def language_code(language: str, known: Collection[str]) -> str:
    """The code among `known` for an English name or a BCP-47 tag, whatever its region or script.

    Raises InvalidRequest listing those of `known` that have a name here.
    """
    wanted = language.strip().lower()
    base = wanted.replace("_", "-").partition("-")[0]
    code = CODES.get(wanted) or CODES.get(base, base)
    if code not in known:
        possible = ", ".join(sorted(NAMES[each] for each in known if each in NAMES))
        raise InvalidRequest(f"no language {language[:40]!r}; possible are {possible}", param="language")
    return code
