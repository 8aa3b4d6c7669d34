"""What a session has to say, with the frames made up: every sentence is ten."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from servers.rpc.script import KEPT_CHARS, LONGEST_CHARS, End, Say, Script

SENTENCE = "Good morning, and welcome to the show. "


def said(script: Script, first: int = 0) -> list[str | None]:
    """None for the end of an utterance."""
    items = [script.item(index) for index in range(first, script.count)]
    return [item.text.strip() if isinstance(item, Say) else None for item in items]


def test_sentences_are_items_as_soon_as_they_are_whole_and_a_flush_is_their_end() -> None:
    script = Script()
    script.add("One. Tw")
    assert said(script) == ["One."]
    script.add("o. Three")
    script.flush()
    assert said(script) == ["One.", "Two.", "Three", None]
    assert script.texts == 2


def test_a_flush_of_nothing_is_nothing() -> None:
    script = Script()
    script.flush()
    script.add("  … ")
    script.flush()
    script.flush()
    assert script.count == 0
    assert not script.has_unflushed()


def test_what_comes_after_a_stop_is_another_utterance_from_the_frame_that_comes_next() -> None:
    script = Script()
    script.add("One. Two. Thr")
    script.void(7)
    assert script.is_void()
    assert (script.voided, script.floor, script.unspoken(script.voided)) == (2, 7, 0)
    script.add("Four.")
    script.flush()
    assert not script.is_void()
    assert said(script, script.voided) == ["Four.", None]
    assert script.item(script.voided).utterance == 1
    assert (script.begin(1), script.at(7), script.at(9)) == (7, 2, 2)


def test_a_stop_between_two_utterances_does_not_skip_a_number() -> None:
    script = Script()
    script.add("One.")
    script.flush()
    script.ended(0, 10)
    script.void(10)
    script.add("Two.")
    script.flush()
    assert script.item(script.voided).utterance == 1
    assert script.begin(1) == 10


def test_a_frame_is_found_in_its_utterance() -> None:
    script = Script()
    for utterance in range(3):
        script.add("One. Two.")
        script.flush()
        script.ended(utterance, 20 * (utterance + 1))
    assert [script.at(frame) for frame in (0, 19, 20, 45, 60)] == [0, 0, 3, 6, 9]
    assert script.known_end() == 60


def test_an_utterance_that_is_never_flushed_ends_at_a_sentence() -> None:
    script = Script()
    for _ in range(3 * LONGEST_CHARS // len(SENTENCE)):
        script.add(SENTENCE)
    ends = [index for index in range(script.count) if isinstance(script.item(index), End)]
    assert len(ends) == 2
    chars = sum(len(script.item(index).text) for index in range(ends[0]))
    assert LONGEST_CHARS <= chars < LONGEST_CHARS + len(SENTENCE)
    script.flush()
    script.flush()
    assert sum(isinstance(script.item(index), End) for index in range(script.count)) == 3


def test_a_text_without_a_sentence_s_end_is_said_in_pieces() -> None:
    script = Script()
    for _ in range(1_000):
        script.add("word ")
    assert script.count > 5
    said_chars = sum(len(script.item(index).text) for index in range(script.count))
    assert said_chars < script.unspoken(0) <= 5_000


def test_what_is_long_spoken_is_forgotten_and_a_later_frame_is_the_first() -> None:
    script = Script()
    frame = 0
    for utterance in range(4 * KEPT_CHARS // len(SENTENCE)):
        script.add(SENTENCE)
        script.flush()
        frame += 10
        script.ended(utterance, frame)
    assert len(script.snapshot()["items"]) <= 2 * (KEPT_CHARS // len(SENTENCE.strip()) + 1)
    assert len(script.snapshot()["begins"]) == len(script.snapshot()["items"]) // 2 + 1
    assert 0 < script.floor < frame
    assert script.item(script.at(script.floor)).utterance == script.floor // 10
    assert script.begin(script.floor // 10) == script.floor
    assert script.unspoken(script.count) == 0


def test_what_waits_to_be_spoken_is_not_forgotten() -> None:
    script = Script()
    for _ in range(2 * KEPT_CHARS // len(SENTENCE)):
        script.add(SENTENCE)
        script.flush()
    script.ended(0, 10)
    assert (script.floor, script.at(0)) == (0, 0)
    assert script.unspoken(0) >= KEPT_CHARS


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.text("ab .!\n…日。", max_size=12)),
        st.tuples(st.just("flush"), st.none()),
        st.tuples(st.just("void"), st.integers(0, 1_000)),
    ),
    max_size=30,
)


def act(script: Script, actions: list) -> None:
    for name, argument in actions:
        getattr(script, name)(*(() if argument is None else (argument,)))


@given(ACTIONS, ACTIONS)
def test_a_script_that_is_restored_goes_on_as_it_would_have(before: list, after: list) -> None:
    script = Script()
    act(script, before)
    restored = Script.restored(json.loads(json.dumps(script.snapshot())))
    act(script, after)
    act(restored, after)
    assert restored.snapshot() == script.snapshot()


@given(ACTIONS)
def test_numbers_of_sentences_and_utterances_have_no_hole(actions: list) -> None:
    script = Script()
    seen: list = []
    for action in actions:
        act(script, [action])
        seen += [script.item(index) for index in range(max(script.voided, len(seen)), script.count)]
    says = [item for item in seen if isinstance(item, Say)]
    utterances = [item.utterance for item in says]
    assert utterances == sorted(utterances)
    assert not utterances or utterances[-1] - utterances[0] <= len(set(utterances)) + len(actions)
    assert [item.number for item in says] == sorted({item.number for item in says})
