"""Which texts a voice cannot read."""

from __future__ import annotations

import pytest

from servers.text.scripts import unreadable


@pytest.mark.parametrize(
    ("text", "languages", "script"),
    [
        ("Good morning.", ["en-US"], None),
        ("Привет, как дела?", ["en-US"], "Cyrillic"),
        ("Привет, как дела?", ["ru"], None),
        ("Good morning, Привет!", ["en-US"], None),
        ("Hi, Привет, как дела?", ["en-US"], "Cyrillic"),
        ("Hello there, how are you?", ["ru-RU"], None),
        ("今天天气很好", ["de", "en"], "Chinese"),
        ("今天天气很好", ["zh-CN"], None),
        ("ひらがなです", ["zh"], "Hiragana"),
        ("ＦＵＬＬ ＷＩＤＴＨ", ["en"], None),
        ("नमस्ते", ["en"], "Devanagari"),
        ("naïve café, Übermut", ["en"], None),
        ("42 — 17!", ["en"], None),
        ("", ["en"], None),
    ],
)
def test_a_text_is_unreadable_where_most_of_its_letters_are(text, languages, script):
    assert unreadable(text, languages) == script


def test_what_two_languages_write_in_is_readable_for_whoever_speaks_either():
    assert unreadable("Καλημέρα", ["en", "el"]) is None
