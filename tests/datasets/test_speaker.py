"""Names of voices that are fine-tuned."""

import pytest

from servers.datasets.speaker import check_speaker
from servers.errors import InvalidRequest


@pytest.mark.parametrize(("name", "kept"), [("Hero1", "hero1"), ("hero_voice", "hero_voice"), ("a-b", "a-b")])
def test_a_name_is_kept_in_lower_case(name, kept):
    assert check_speaker(name) == kept


@pytest.mark.parametrize("name", ["", "1st", "my voice", "../x", "é", "a" * 64, "hero\n"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(InvalidRequest, match="no name for a voice") as refused:
        check_speaker(name)
    assert refused.value.param == "speaker_name"


def test_an_underscore_and_a_number_are_refused_with_the_reason_and_what_is_possible():
    with pytest.raises(InvalidRequest, match=r"'Hero_1' ends with '_' and a number.*'Hero1' is possible"):
        check_speaker("Hero_1")
