"""Whether a recording says its text."""

from __future__ import annotations

import pytest

from servers.datasets.clips import check
from servers.datasets.fit import unsaid
from servers.datasets.report import Code
from servers.errors import EngineUnavailable, InvalidRequest
from tests.datasets.made import dataset, tone


def word(text, score, interpolated=False):
    return {"word": text, "start": 0.0, "end": 1.0, "score": score, "interpolated": interpolated}


@pytest.mark.parametrize(
    ("words", "share"),
    [
        ([word("lighthouse", 0.9), word("the", 0.0), word("bay.", 0.0)], 0.0),
        ([word("lighthouse", 0.9), word("submarine,", 0.1)], 9 / 19),
        ([word("elephants", 0.0), word("everywhere", 0.2)], 1.0),
        ([word("1984", 0.1), word("harbour", 0.8), word("unsure", None), word("guessed", 0.0, True)], 0.0),
        ([], 0.0),
    ],
)
def test_what_is_unsaid_is_counted_in_letters_of_words_that_tell(words, share):
    assert unsaid(words) == pytest.approx(share)


def test_a_line_whose_text_is_not_heard_is_left_out_and_one_left_out_before_is_not_asked_for(tmp_path):
    dataset(tmp_path)
    tone(tmp_path / "data" / "seg_00000003.wav", 0.1)
    asked = []

    def aligner(audio, text):
        asked.append(audio.name)
        return [word("sentence", 0.9 if "1" in text else 0.0)]

    report = check(tmp_path, aligner)
    assert asked == ["seg_00000001.wav", "seg_00000002.wav"]
    assert report.kept == 1
    (unheard,) = [finding for finding in report.findings if finding.line == 2]
    assert (unheard.code, unheard.message) == (Code.UNSAID, "100 % of its text is not heard in it")


def test_what_cannot_be_aligned_is_a_finding_and_a_server_that_is_away_is_not(tmp_path):
    dataset(tmp_path)

    def aligner(audio, text):
        if "1" in text:
            raise InvalidRequest("no word of it is in the dictionary")
        return []

    report = check(tmp_path, aligner)
    assert [(each.line, each.code) for each in report.findings] == [(1, Code.NOT_ALIGNED)]
    assert report.kept == 2

    def away(audio, text):
        raise EngineUnavailable("away")

    with pytest.raises(EngineUnavailable):
        check(tmp_path, away)
