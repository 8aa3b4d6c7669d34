from __future__ import annotations

import pytest

from servers.backends._whisper.languages import is_auto, tag, whisper_code
from servers.errors import InvalidRequest

NAMES = {
    "en": "english",
    "de": "german",
    "jw": "javanese",
    "no": "norwegian",
    "zh": "chinese",
    "yue": "cantonese",
}


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("en", "en"), ("EN-us", "en"), ("en_GB", "en"), ("English", "en"), (" german ", "de"),
        ("de-AT", "de"), ("jv", "jw"), ("jw", "jw"), ("nb", "no"), ("nb-NO", "no"), ("no", "no"),
        ("Norwegian", "no"), ("zh-Hant-TW", "zh"), ("cmn", "zh"), ("yue", "yue"), ("Cantonese", "yue"),
    ],
)  # fmt: skip
def test_a_language_is_found_by_its_tag_or_its_name(language, code):
    assert whisper_code(language, NAMES, NAMES, "model") == code


@pytest.mark.parametrize("language", ["xx", "e", "englisch", "-", "en glish", "x" * 500])
def test_an_unknown_language_lists_the_known_tags(language):
    with pytest.raises(InvalidRequest, match="possible are de, en, jv, no, yue, zh") as raised:
        whisper_code(language, NAMES, NAMES, "model")
    assert raised.value.param == "language"
    assert len(raised.value.message) < 200


def test_only_the_known_ones_are_possible():
    with pytest.raises(InvalidRequest, match="no alignment model for 'en'; possible are de"):
        whisper_code("en", NAMES, ("de",), "alignment model")


def test_tags_are_bcp_47():
    assert (tag("jw"), tag("en"), tag("yue")) == ("jv", "en", "yue")


@pytest.mark.parametrize(
    ("language", "detected"), [("auto", True), (" AUTO ", True), ("", True), ("en", False)]
)
def test_auto_is_detected(language, detected):
    assert is_auto(language) is detected
