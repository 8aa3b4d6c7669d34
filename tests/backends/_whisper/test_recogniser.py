"""What Whisper says of a text."""

from __future__ import annotations

import pytest

from servers.backends._whisperx.loading import import_libraries

pytestmark = pytest.mark.usefixtures("whisperx_package")


def compression_ratio(text: str) -> float:
    """The package's own, which `Recogniser` takes from it."""
    import_libraries()
    from faster_whisper.transcribe import get_compression_ratio

    return get_compression_ratio(text)


def test_a_text_that_repeats_itself_has_a_high_compression_ratio():
    assert compression_ratio("thank you " * 40) > 2.4
    assert compression_ratio("The old keeper walked slowly down the beach, counting the boats.") < 2.4


@pytest.mark.parametrize("text", ["", "a"])
def test_no_text_has_one_too(text):
    assert 0 <= compression_ratio(text) < 1
