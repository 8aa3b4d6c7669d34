"""Whisper's languages: BCP-47 tags and English names in, BCP-47 tags out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from servers.errors import InvalidRequest
from servers.nearest import FEW, VOICES_LISTED, possible
from servers.text.languages import CODES

NAMES = {
    "en": "english", "zh": "chinese", "de": "german", "es": "spanish", "ru": "russian", "ko": "korean",
    "fr": "french", "ja": "japanese", "pt": "portuguese", "tr": "turkish", "pl": "polish", "ca":
    "catalan", "nl": "dutch", "ar": "arabic", "sv": "swedish", "it": "italian", "id": "indonesian", "hi":
    "hindi", "fi": "finnish", "vi": "vietnamese", "he": "hebrew", "uk": "ukrainian", "el": "greek", "ms":
    "malay", "cs": "czech", "ro": "romanian", "da": "danish", "hu": "hungarian", "ta": "tamil", "no":
    "norwegian", "th": "thai", "ur": "urdu", "hr": "croatian", "bg": "bulgarian", "lt": "lithuanian",
    "la": "latin", "mi": "maori", "ml": "malayalam", "cy": "welsh", "sk": "slovak", "te": "telugu", "fa":
    "persian", "lv": "latvian", "bn": "bengali", "sr": "serbian", "az": "azerbaijani", "sl": "slovenian",
    "kn": "kannada", "et": "estonian", "mk": "macedonian", "br": "breton", "eu": "basque", "is":
    "icelandic", "hy": "armenian", "ne": "nepali", "mn": "mongolian", "bs": "bosnian", "kk": "kazakh",
    "sq": "albanian", "sw": "swahili", "gl": "galician", "mr": "marathi", "pa": "punjabi", "si":
    "sinhala", "km": "khmer", "sn": "shona", "yo": "yoruba", "so": "somali", "af": "afrikaans", "oc":
    "occitan", "ka": "georgian", "be": "belarusian", "tg": "tajik", "sd": "sindhi", "gu": "gujarati",
    "am": "amharic", "yi": "yiddish", "lo": "lao", "uz": "uzbek", "fo": "faroese", "ht": "haitian creole",
    "ps": "pashto", "tk": "turkmen", "nn": "nynorsk", "mt": "maltese", "sa": "sanskrit", "lb":
    "luxembourgish", "my": "myanmar", "bo": "tibetan", "tl": "tagalog", "mg": "malagasy", "as":
    "assamese", "tt": "tatar", "haw": "hawaiian", "ln": "lingala", "ha": "hausa", "ba": "bashkir", "jw":
    "javanese", "su": "sundanese", "yue": "cantonese",
}  # fmt: skip
"""Its English names of languages by its codes, in the order of their tokens."""
TO_WHISPER = {
    "jv": "jw",
    "nb": "no",
    "fil": "tl",
    "iw": "he",
    "in": "id",
    "cmn": "zh",
    "mo": "ro",
    "ji": "yi",
}
"""Tags for which Whisper has another code of its own."""
FROM_WHISPER = {"jw": "jv"}
"""Its codes that are no BCP-47 tags any more."""
COMMON = ("en", "de", "fr", "es", "zh")
UNDETERMINED = "und"
"""BCP-47's tag for the language of silence."""
UNSPACED = frozenset(("ja", "zh", "yue"))
"""Languages that write no spaces between words: each character counts as a word, as whisperx has it."""


def is_auto(language: str) -> bool:
    """Whether it is to be detected."""
    return language.strip().lower() in ("auto", "")


def tag(code: str) -> str:
    """The BCP-47 tag of a language of Whisper's."""
    return FROM_WHISPER.get(code, code)


def whisper_code(language: str, names: Mapping[str, str], known: Collection[str], what: str) -> str:
    """The code among `known` for an English name or a BCP-47 tag, whatever its region or script.

    `names` are Whisper's English names by code, `what` the word for what only `known` have, as in "no {what}
    for …". Raises InvalidRequest listing the tags of `known`.
    """
    wanted = language.strip().lower()
    base = wanted.replace("_", "-").partition("-")[0]
    by_name = {name: code for code, name in names.items()}
    code = by_name.get(wanted) or CODES.get(wanted, base)
    code = TO_WHISPER.get(code, code)
    if code not in known:
        near = possible(wanted, _spellings(names, known), such_as=COMMON, listed=VOICES_LISTED)
        raise InvalidRequest(f"no {what} for {language[:40]!r}; {near}", param="language")
    return code


def _spellings(names: Mapping[str, str], known: Collection[str]) -> list[str]:
    """The tags of a few; of many the English names too, for it is those that are misspelt."""
    tags = [tag(code) for code in known]
    return tags if len(tags) <= FEW else tags + [names[code] for code in known if code in names]
