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


@pytest.mark.parametrize(("name", "possible"), [("Hero_1", "Hero1"), ("He_2_ro_3x", "He2_ro3x")])
def test_an_underscore_before_a_number_is_refused_with_the_reason_and_what_is_possible(name, possible):
    with pytest.raises(InvalidRequest, match=f"'{name}' has '_' before a number.*'{possible}' is possible"):
        check_speaker(name)
