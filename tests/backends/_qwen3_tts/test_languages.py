"""Languages by their tags outside, by the codec's names inside."""

from __future__ import annotations

import pytest

from servers.backends._qwen3_tts.languages import Languages
from servers.errors import InvalidRequest
from tests.backends.qwen_models import LANGUAGES

KNOWN = Languages(LANGUAGES)


@pytest.mark.parametrize(
    ("language", "name"),
    [("en", "english"), ("en-US", "english"), ("EN_gb", "english"), ("English", "english"),
     ("zh", "chinese"), ("zh-CN", "chinese"), ("zh-Hant-TW", "chinese"), ("pt-BR", "portuguese"),
     ("zh-SC", "sichuan_dialect"), ("zh-BJ", "beijing_dialect"), ("beijing_dialect", "beijing_dialect"),
     ("auto", None), ("Auto", None), ("", None), (None, None)],
)  # fmt: skip
def test_a_language_has_many_names(language, name):
    assert KNOWN.named(language) == name


@pytest.mark.parametrize("language", ["nl", "Klingon", "x", "e", "🙂"])
def test_an_unknown_language_lists_the_possible_ones(language):
    with pytest.raises(InvalidRequest, match=r"possible are .*en.*zh-SC, auto") as raised:
        KNOWN.named(language)
    assert raised.value.param == "language"


def test_dialects_come_last():
    assert KNOWN.tags[-2:] == ("zh-BJ", "zh-SC")
    assert len(KNOWN.tags) == len(LANGUAGES)
