"""Cues that can be read: whole words, two lines, no overlap; and the two formats of their files."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.speech import Segment, Word
from servers.text.cue_breaks import Cue
from servers.text.subtitles import BRIEFEST_MS, cues, cues_of_segments, cues_of_transcript, srt, vtt

MANY = (
    "She took her coat, her hat and the small brass key that her grandfather had given her on the day "
    "before he sailed, and she went down the stairs as quietly as she could. The door was open."
)


def said(text: str, word_s: float = 0.35, start: float = 0.0, speaker: str | None = None) -> list[Word]:
    """The text's words one after the other, without a pause."""
    times = [start + index * word_s for index in range(len(text.split()) + 1)]
    return [
        Word(word=word, start=begin, end=end, speaker=speaker)
        for word, (begin, end) in zip(text.split(), pairwise(times), strict=True)
    ]


def characters(text: str, each_s: float = 0.25) -> list[Word]:
    """As a text in a script without spaces is aligned."""
    return [
        Word(word=char, start=index * each_s, end=(index + 1) * each_s)
        for index, char in enumerate("".join(text.split()))
    ]


def lines(found: list[Cue]) -> list[tuple[str, ...]]:
    return [cue.lines for cue in found]


# which words share a cue


def test_a_cue_has_whole_sentences_and_its_line_is_broken_after_a_clause():
    text = "Dr. Smith looked at the letter, and for a while she said nothing. She was old."
    assert lines(cues(said(text), text, "en")) == [
        ("Dr. Smith looked at the letter,", "and for a while she said nothing."),
        ("She was old.",),
    ]


def test_a_long_sentence_is_parted_before_words_that_lean_on_the_next():
    found = lines(cues(said(MANY), MANY, "en"))
    last_words = [line.split()[-1] for each in found for line in each]
    assert not {"the", "her", "and", "that", "on", "he", "she", "as"} & set(last_words)
    assert found[-1] == ("The door was open.",)


def test_the_language_says_which_words_those_are():
    text = "wir gehen heute nach Hause und danach gleich in die alte Schule"
    upper = {language: cues(said(text, 0.2), text, language)[0].lines[0] for language in ("de-CH", None)}
    assert upper == {
        "de-CH": "wir gehen heute nach Hause",
        None: "wir gehen heute nach Hause und",
    }


def test_a_title_and_a_number_stay_with_what_follows_them():
    for text in (
        "It was on the way to the old house of Mrs. Dashwood that they first met.",
        "We walked along the river for 12 kilometres and saw nobody.",
    ):
        ends = [line.split()[-1] for each in lines(cues(said(text), text, "en")) for line in each]
        assert len(ends) == 2
        assert not {"Mrs.", "12"} & set(ends)


def test_what_fits_one_line_stays_on_it():
    assert lines(cues(said("It rained, and we stayed where we were."))) == [
        ("It rained, and we stayed where we were.",)
    ]


def test_a_pause_begins_a_new_cue_and_a_breath_does_not():
    first = said("So it is")
    for silence_s, expected in ((0.5, 1), (0.75, 2)):
        assert len(cues([*first, *said("and so it was", start=first[-1].end + silence_s)])) == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [("He left", ["He left —", "And came."]), ("He left.", ["He left.", "— And came."])],
)
def test_the_pause_that_a_dash_was_given_is_a_pause(before, expected):
    words = [*said(before), Word(word="—", start=0.7, end=4.0, interpolated=True)]
    found = cues([*words, *said("And came.", start=4.0)])
    assert [cue.lines for cue in found] == [(line,) for line in expected]
    assert [cue.start_ms for cue in found] == [0, 4_000]


def test_a_new_speaker_begins_a_new_cue_and_a_word_of_nobody_does_not():
    words = [*said("Who is it?", speaker="A"), *said("It is", start=1.1, speaker="B")]
    words += said("me.", start=2.0)
    assert [(cue.lines, cue.speaker) for cue in cues(words)] == [
        (("Who is it?",), "A"),
        (("It is me.",), "B"),
    ]


def test_a_word_longer_than_a_line_is_kept_whole_and_alone():
    address = "https://example.org/" + "a" * 60
    assert lines(cues(said(f"See {address} for more."))) == [("See",), (address,), ("for more.",)]


def test_slow_speech_is_parted_so_that_no_cue_is_there_for_longer_than_seven_seconds():
    found = cues(said(MANY, word_s=1.5))
    assert max(cue.end_ms - cue.start_ms for cue in found) <= 7_000


# scripts without spaces between words


def test_chinese_has_no_spaces_and_its_characters_are_two_columns_wide():
    text = "今天天气很好，我们一起去公园散步吧。它可以把文字变成声音，而且速度非常快！"
    found = cues(characters(text), text, "zh")
    assert lines(found) == [
        ("今天天气很好，我们一起去公园散步吧。",),
        ("它可以把文字变成声音，而且速度非常快！",),
    ]
    assert lines(cues(characters(text), language="zh")) == lines(found)


def test_a_latin_word_in_chinese_is_not_broken_though_its_letters_are_timed():
    text = "我写了一个程序Supercalifragilistic它可以把文字变成声音而且速度非常快我们一起用吧"
    found = lines(cues(characters(text), text, "zh"))
    assert sum("Supercalifragilistic" in line for each in found for line in each) == 1


def test_no_line_begins_with_a_closing_mark_or_ends_with_an_opening_one():
    text = "「そうですね」「はい、そうでした」" * 6
    for line in (line for each in lines(cues(characters(text), text, "ja")) for line in each):
        assert line[0] not in "、」"
        assert line[-1] != "「"


def test_thai_is_broken_at_its_spaces_and_a_mark_stays_with_its_letter():
    text = "สวัสดีครับวันนี้อากาศดีมากเรา ไปเที่ยวทะเลกันที่พัทยาใหญ่"
    found = lines(cues(characters(text, 0.08), text, "th"))
    assert found == [tuple(text.split())]
    for line in (line for each in lines(cues(characters(text), text, "th")) for line in each):
        assert unicodedata.category(line[0]) != "Mn"


def test_french_marks_stay_with_the_word_before_them():
    text = "Mais pourquoi est-ce que tu ne viens jamais ! Je ne sais pas du tout pourquoi !"
    assert all(line[0] != "!" for each in lines(cues(said(text), text, "fr")) for line in each)


def test_korean_has_spaces():
    assert lines(cues(said("안녕하세요 여러분"))) == [("안녕하세요 여러분",)]


# when they are shown


def test_a_short_cue_stays_for_a_second_where_nothing_follows_at_once():
    (cue,) = cues([Word(word="Yes.", start=3.0, end=3.2)])
    assert (cue.start_ms, cue.end_ms) == (3_000, 4_000)


def test_a_cue_stays_until_it_can_be_read():
    text = "This was said as fast as anybody could ever say such a thing."
    (cue,) = cues(said(text, word_s=0.1))
    assert cue.end_ms == round(len("".join(cue.lines)) * 1000 / 17)


def test_a_small_gap_is_closed_to_two_frames_and_a_large_one_is_left():
    first = said("Nobody came to the door that day.", word_s=0.4)
    for silence_s, gap_ms in ((0.75, 750), (0.7, 700), (0.4, 84)):
        words = [*first, *said("So it is.", start=first[-1].end + silence_s, speaker="B")]
        words[0] = words[0].model_copy(update={"speaker": "A"})
        one, two = cues(words)
        assert two.start_ms - one.end_ms == gap_ms


@pytest.mark.parametrize("count", [1, 30, 300])
def test_words_that_all_have_one_time_are_shown_one_cue_after_the_other(count):
    found = cues([Word(word="lost", start=5.0, end=5.0, interpolated=True)] * count)
    assert sum(line.split().count("lost") for cue in found for line in cue.lines) == count
    assert all(cue.end_ms - cue.start_ms >= BRIEFEST_MS for cue in found)
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(found))


# of whole transcripts


def test_a_transcript_without_words_has_its_segments_texts():
    segments = [
        Segment(start=0.0, end=4.0, text="So it is, and so it was."),
        Segment(start=4.2, end=18.0, text=MANY, speaker="A"),
    ]
    found = cues_of_segments(segments, "en")
    assert found[0].lines == ("So it is, and so it was.",)
    assert " ".join(line for cue in found[1:] for line in cue.lines) == MANY
    assert {cue.speaker for cue in found[1:]} == {"A"}
    assert [found[1].start_ms, found[-1].end_ms] == [4_200, 18_000]


def test_an_answer_of_a_server_is_read_with_its_words_or_without():
    words = [{"word": "So", "start": 0.0, "end": 0.4, "score": 0.9, "news": 1}]
    segment = {"start": 0.0, "end": 2.0, "text": "So it is."}
    answer = {"text": "So", "language": "en", "segments": [segment]}
    assert lines(cues_of_transcript(answer | {"words": words})) == [("So",)]
    assert lines(cues_of_transcript(answer | {"words": []})) == [("So it is.",)]
    assert cues_of_transcript({"text": "", "language": "en", "segments": [], "words": []}) == []


def test_an_answer_has_all_that_its_words_say():
    words = [
        *said("He left", speaker="A"),
        Word(word="—", start=0.7, end=4.0, interpolated=True),
        *said("& came back.", start=4.0, speaker="B"),
    ]
    text = " ".join(word.word for word in words)
    answer = {"text": text, "language": "en", "segments": [], "words": [w.model_dump() for w in words]}
    assert cues_of_transcript(answer) == cues(words, text, "en")
    assert [cue.speaker for cue in cues_of_transcript(answer)] == ["A", "B"]
    assert lines(cues_of_transcript(answer))[0] == ("He left —",)


# the files


def test_srt():
    found = [Cue(0, 1_000, ("Yes.",)), Cue(3_723_004, 3_725_000, ("One,", "two & <three>."), "A")]
    assert srt(found) == (
        "1\n00:00:00,000 --> 00:00:01,000\nYes.\n\n2\n01:02:03,004 --> 01:02:05,000\nOne,\ntwo & <three>.\n"
    )
    assert srt([]) == ""


def test_vtt():
    found = [Cue(0, 1_000, ("A & <b> -->",)), Cue(3_723_004, 3_725_000, ("One,", "two."), "B > C\n")]
    assert vtt(found) == (
        "WEBVTT\n"
        "\n00:00:00.000 --> 00:00:01.000\nA &amp; &lt;b&gt; --&gt;\n"
        "\n01:02:03.004 --> 01:02:05.000\n<v B &gt; C>One,\ntwo.</v>\n"
    )
    assert vtt([]) == "WEBVTT\n"


def test_an_arrow_in_the_text_is_no_time_of_a_cue():
    found = cues(said("go --> there"))
    assert srt(found).count("-->") == vtt(found).count("-->") == 1
    assert "go → there" in srt(found)
    assert "go --&gt; there" in vtt(found)


# whatever is said


texts = st.text(st.sampled_from("abcdeXYZ.,!?-&<>—’é漢字かな。、「」ไทยเ้한국 \n\u0301\u2028"), max_size=20)
speakers = st.sampled_from([None, None, "A", "B"])


@st.composite
def timed(draw: st.DrawFn) -> list[Word]:
    """Words in order of their starts, with pauses and overlaps."""
    words, start = [], 0.0
    for text in draw(st.lists(texts, max_size=60)):
        start += draw(st.sampled_from([0.0, 0.01, 0.1, 0.3, 0.9, 8.0]))
        end = start + draw(st.sampled_from([0.0, 0.2, 0.5, 10.0]))
        words.append(Word(word=text, start=start, end=end, speaker=draw(speakers)))
    return words


def without_spaces(texts: list[str]) -> str:
    return re.sub(r"\s", "", "".join(texts))


def width(line: str) -> int:
    """Counted in the test's own way."""
    shown = [char for char in line if unicodedata.category(char) not in ("Mn", "Me", "Cf")]
    return len(shown) + sum(unicodedata.east_asian_width(char) in ("W", "F") for char in shown)


@given(timed(), st.sampled_from([None, "joined", "spaced"]), st.sampled_from([None, "en", "zh"]))
def test_every_word_is_shown_once_and_in_order_without_overlap(words, written, language):
    between = {None: None, "joined": "", "spaced": " "}[written]
    text = None if between is None else between.join(word.word for word in words)
    found = cues(words, text, language)
    assert without_spaces([line for cue in found for line in cue.lines]) == without_spaces(
        [word.word for word in words]
    )
    assert all(0 < cue.end_ms - cue.start_ms <= 7_000 for cue in found)
    for one, two in pairwise(found):
        gap_ms = two.start_ms - one.end_ms
        assert gap_ms == 0 or gap_ms >= 84
    for cue in found:
        assert 1 <= len(cue.lines) <= 2
        assert all(line and line == line.strip() and line.isprintable() for line in cue.lines)


@given(timed())
def test_no_line_is_wider_than_42_columns_unless_no_place_in_it_may_be_broken(words):
    single = {" ".join(word.word.split()) for word in words}
    for cue in cues([word for word in words if re.fullmatch(r"[A-Za-z.,\s]*", word.word)]):
        for line in cue.lines:
            assert width(line) <= 42 or line in single


@given(st.text(st.sampled_from("漢字かな文章"), min_size=1, max_size=200))
def test_wide_characters_fill_no_more_than_42_columns(text):
    assert all(width(line) <= 42 for cue in cues(characters(text), text, "ja") for line in cue.lines)


@given(timed())
def test_the_files_have_one_time_for_each_cue_and_no_empty_line_in_one(words):
    found = cues(words)
    for file, head in ((srt(found), 0), (vtt(found), 1)):
        blocks = [block for block in file.split("\n\n") if block.strip()]
        assert len(blocks) == len(found) + head
        assert file.count("-->") == len(found)
