"""Numbers as they are spoken: cardinals, decimals, ordinals, years, money, percent and times of day."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from num2words import CONVERTER_CLASSES, num2words

LONGEST = 15
"""Digits of the longest number read as a number; a longer one is a code, and is read digit by digit."""

GROUPED = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
AMOUNT = rf"{GROUPED}(?:\.\d+)?"
NUMBER = re.compile(
    rf"(?P<money>(?<!\w)[-−]?[$€£¥]{AMOUNT}(?:bn|[kmb])?(?![^\W\d_]))"
    r"|(?P<clock>(?<![\d:])\d{1,2}:[0-5]\d(?::[0-5]\d)?(?![\d:]))"
    r"|(?P<phone>(?<!\d)(?:\d{3}-)?\d{3}-\d{4}(?![\d-]))"
    rf"|(?P<ordinal>{GROUPED}(?:st|nd|rd|th)(?![^\W\d_]))"
    r"|(?P<decade>(?<!\d)\d{1,3}0['’]?s(?![^\W\d_]))"
    rf"|(?P<percent>(?<!\w)[-−]?{AMOUNT}%)"
    rf"|(?P<range>(?<![\w-]){GROUPED}[-–]{GROUPED}(?![\w-]))"
    rf"|(?P<plain>(?:(?<!\w)[-−])?{AMOUNT})",
    re.IGNORECASE,
)
"""Every way of writing a number in English; the name of the group says how it is spoken."""

FOREIGN_NUMBER = re.compile(r"(?:(?<!\w)[-−])?\d+(?:[.,]\d+)*")
DECIMAL_POINT = frozenset(("en", "he", "ja", "ko", "th", "zh"))
"""Languages that write 1,000.5; the others write 1.000,5."""

COINS = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "¥": ("yen", "sen")}
SCALES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}
PLURALS = {"yen": "yen", "sen": "sen", "penny": "pence"}


@lru_cache
def converter(language: str) -> str | None:
    """num2words' name for a BCP-47 tag, None where it does not know the language."""
    tag, base = language.replace("-", "_"), base_language(language)
    known = {name.lower(): name for name in CONVERTER_CLASSES}
    return known.get(tag.lower()) or known.get(base)


def base_language(language: str) -> str:
    """The "en" of "en-US"."""
    return re.split(r"[-_]", language)[0].lower()


def english(match: re.Match[str]) -> str:
    """What is said for a match of NUMBER."""
    return SAYERS[match.lastgroup or "plain"](match.group())


def foreign(written: str, language: str) -> str:
    """What is said for a match of FOREIGN_NUMBER; as written where num2words does not know the language."""
    name = converter(language)
    if name is None:
        return written
    whole, _, fraction = _plain_digits(written, base_language(language)).partition(".")
    if len(whole) > LONGEST or (whole.startswith("0") and whole != "0"):
        return " ".join(num2words(int(digit), lang=name) for digit in whole + fraction if digit.isdigit())
    return str(num2words(Decimal(f"{whole}.{fraction}") if fraction else int(whole), lang=name))


def _plain_digits(written: str, language: str) -> str:
    """1.000,5 or 1,000.5 as 1000.5: a separator before anything but three digits is the decimal one."""
    group, point = (",", ".") if language in DECIMAL_POINT else (".", ",")
    grouped = re.sub(rf"{re.escape(group)}(?=\d{{3}}(?!\d))", "", written.replace("−", "-"))
    whole, *rest = re.split(r"[.,]", grouped.replace(point, "."))
    return f"{whole}.{''.join(rest)}" if rest else whole


def cardinal(digits: str) -> str:
    """1,200 as one thousand two hundred; a number that starts with 0 or is very long digit by digit."""
    plain = digits.replace(",", "")
    if len(plain) > LONGEST or (len(plain) > 1 and plain.startswith("0")):
        return one_by_one(plain)
    return _american(num2words(int(plain)))


def one_by_one(digits: str) -> str:
    return " ".join(num2words(int(digit)) for digit in digits if digit.isdigit())


def _american(words: str) -> str:
    """Without the "and" and the commas of num2words, as recognisers write it."""
    return words.replace(" and ", " ").replace(",", "")


def _amount(written: str) -> str:
    whole, _, fraction = written.partition(".")
    return f"{cardinal(whole)} point {one_by_one(fraction)}" if fraction else cardinal(whole)


def _plain(written: str) -> str:
    sign, digits = _signed(written)
    if not sign and len(digits) == 4 and digits.isdigit() and 1100 <= int(digits) < 2100:
        return year(digits)
    return sign + _amount(digits)


def _signed(written: str) -> tuple[str, str]:
    return ("minus ", written[1:]) if written[0] in "-−" else ("", written)


def year(digits: str) -> str:
    return _american(num2words(int(digits), to="year"))


def _money(written: str) -> str:
    sign, rest = _signed(written)
    coin, cent = COINS[rest[0]]
    scale = rest[1:].lstrip("0123456789.,").lower()
    amount = rest[1 : len(rest) - len(scale)]
    if scale:
        return f"{sign}{_amount(amount)} {SCALES[scale]} {_plural(coin)}"
    whole, _, fraction = amount.partition(".")
    if fraction and len(fraction) != 2:
        return f"{sign}{_amount(amount)} {_plural(coin)}"
    said = [_counted(whole, coin)] if int(whole.replace(",", "")) or not fraction else []
    if fraction and (int(fraction) or not said):
        said.append(_counted(str(int(fraction)), cent))
    return sign + " ".join(said)


def _counted(digits: str, noun: str) -> str:
    return f"{cardinal(digits)} {noun if int(digits.replace(',', '')) == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    return PLURALS.get(noun, noun + "s")


def _clock(written: str) -> str:
    hour, minute, *second = written.split(":")
    said = [cardinal(str(int(hour)))]
    if int(minute):
        said.append(_two_digits(minute))
    elif not second:
        said.append("o'clock" if 1 <= int(hour) <= 12 else "hundred")
    if second:
        said.append(f"and {cardinal(str(int(second[0])))} seconds")
    return " ".join(said)


def _two_digits(digits: str) -> str:
    return f"oh {cardinal(digits[1])}" if digits[0] == "0" else cardinal(digits)


def _ordinal(written: str) -> str:
    return _american(num2words(int(written[:-2].replace(",", "")), to="ordinal"))


def _decade(written: str) -> str:
    digits = re.sub(r"\D", "", written)
    said = year(digits) if len(digits) == 4 else cardinal(digits)
    return said[:-1] + "ies" if said.endswith("y") else said + "s"


def _percent(written: str) -> str:
    sign, digits = _signed(written[:-1])
    return f"{sign}{_amount(digits)} percent"


def _range(written: str) -> str:
    first, last = re.split("[-–]", written)
    return f"{_plain(first)} to {_plain(last)}"


SAYERS: dict[str, Callable[[str], str]] = {
    "money": _money,
    "clock": _clock,
    "phone": one_by_one,
    "ordinal": _ordinal,
    "decade": _decade,
    "percent": _percent,
    "range": _range,
    "plain": _plain,
}
