from __future__ import annotations

import pytest

from servers.text.joining import joined


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        ((), ""),
        (("One.",), "One."),
        (("One.", "Two."), "One. Two."),
        (("おはよう。", "さようなら。"), "おはよう。さようなら。"),
        (("OK", "好"), "OK好"),
        (("안녕.", "잘 가."), "안녕. 잘 가."),
        (("One.", "", "Two."), "One. Two."),
    ],
)
def test_texts_are_joined_as_their_scripts_are_written(texts: tuple[str, ...], whole: str) -> None:
    assert joined(texts) == whole
