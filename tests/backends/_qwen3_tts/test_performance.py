"""One utterance from frames to audio, with a codec that says what it is given: no model is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [qwen]")
pytest.importorskip("qwen_tts", reason="needs the extra [qwen]")

import torch

from servers.backends._qwen3_tts.performance import FRAMES_PER_TOKEN, SHORTEST_CAP, Performance, Studio, Wants
from servers.backends._qwen3_tts.pieces import Piece
from servers.backends._qwen3_tts.prompts import Prompt, Spoken, VoicePrompt
from servers.backends._qwen3_tts.request import QwenOptions
from servers.backends._qwen3_tts.sampling import Sampling, noise
from servers.backends._qwen3_tts.script import Script
from servers.backends._qwen3_tts.talker import BROKEN
from servers.errors import BackendFailed
from servers.speech import Chunk, Speech

END = 2150
FRAME = 10
RATE = 200 * FRAME
"""A frame of the stand-in is 5 ms, as long as a fade."""


class FakePrompter:
    """Notes what it is asked for; a token is a word."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, VoicePrompt]] = []

    def tokens(self, text: str) -> int:
        return len(text.split())

    def prompt(self, text: str, language: str | None, voice: VoicePrompt) -> Prompt:
        self.asked.append((text, voice))
        return Prompt(torch.zeros(3, 4), torch.zeros(1, 4))


class FakeStream:
    """Each frame sounds as its first code over 1000."""

    def __init__(self, decoder: FakeDecoder) -> None:
        self._decoder = decoder

    def prime(self, codes: torch.Tensor) -> None:
        self._decoder.primed.append(codes)

    def decode(self, codes: torch.Tensor) -> np.ndarray:
        return np.repeat((codes[:, 0] / 1000).numpy().astype(np.float32), FRAME)


class FakeDecoder:
    sample_rate = RATE

    def __init__(self) -> None:
        self.primed: list[torch.Tensor] = []

    def stream(self) -> FakeStream:
        return FakeStream(self)


GREEDY = Sampling(0, 0, 1)
SCRIPT = Script(
    pieces=(Piece("One two three.", 0.0),),
    language=None,
    voice=VoicePrompt(),
    is_anchored=False,
    seed=5,
    talker=GREEDY,
    predictor=GREEDY,
    repetition_penalty=1.0,
    max_frames=1000,
    retries=False,
)
TWO_PIECES = replace(SCRIPT, pieces=(Piece("One two.", 0.05), Piece("Three.", 0.0)))


def studio(**options: Any) -> Studio:
    given = QwenOptions.model_validate({"checkpoint": "x", "trim_silence": False, **options})
    return Studio(FakePrompter(), FakeDecoder(), END, given)  # type: ignore[arg-type]


def frame(code: int = 500) -> torch.Tensor:
    return torch.full((16,), code)


def heard(performance: Performance, *codes: int) -> list[Any]:
    """Everything that these first codes, in frames, let be heard."""
    items: list[Any] = []
    for code in codes:
        performance.take(frame(code))
        due = performance.due
        if due is not None and performance.wants is Wants.FRAME:
            items += performance.hear(performance.stream.decode(due))
    return items


def samples(items: list[Any]) -> np.ndarray:
    return np.concatenate([item.samples for item in items if isinstance(item, Chunk)])


def test_chunks_double_until_they_are_full_and_the_rest_comes_at_the_end():
    performance = Performance(SCRIPT, studio(first_chunk_frames=2, chunk_frames=5))
    performance.row()
    sizes = [
        len(item.samples) / FRAME for item in heard(performance, *[500] * 13, END) if isinstance(item, Chunk)
    ]
    assert sizes == [1, 4, 5, 3]  # 2, 4, 5 and 2 frames, of which one is held back until the next
    assert performance.wants is Wants.NOTHING


def test_an_end_is_stop_and_no_frame():
    performance = Performance(SCRIPT, studio())
    performance.row()
    *_, speech = items = heard(performance, 500, 400, END)
    assert speech == Speech(finish_reason="stop")
    np.testing.assert_array_equal(samples(items), np.repeat(np.float32([0.5, 0.4]), FRAME))


@pytest.mark.parametrize(
    ("words", "limit", "cap"), [(3, 1000, SHORTEST_CAP), (20, 1000, 20 * FRAMES_PER_TOKEN), (20, 7, 7)]
)
def test_a_piece_is_cut_by_its_length_and_by_the_limit(words, limit, cap):
    script = replace(SCRIPT, pieces=(Piece("word " * words, 0.0),), max_frames=limit)
    performance = Performance(script, studio())
    assert len(performance.row().noise) == cap
    items = heard(performance, *[500] * cap)
    assert items[-1] == Speech(finish_reason="length")
    assert len(samples(items)) == cap * FRAME


def test_a_runaway_is_said_again_once_with_other_noise_and_nothing_of_it_is_heard():
    performance = Performance(replace(SCRIPT, max_frames=6, retries=True), studio())
    first = performance.row()
    assert heard(performance, *[500] * 6) == []
    assert performance.wants is Wants.ROW
    second = performance.row()
    assert not torch.equal(first.noise, second.noise)
    items = heard(performance, 400, 300, 200, END)
    assert items[-1] == Speech(finish_reason="stop")
    np.testing.assert_array_equal(samples(items), np.repeat(np.float32([0.4, 0.3, 0.2]), FRAME))


def test_a_second_runaway_is_delivered_as_it_is():
    performance = Performance(replace(SCRIPT, max_frames=6, retries=True), studio())
    for _ in range(2):
        performance.row()
        items = heard(performance, *[500] * 6)
    assert items[-1] == Speech(finish_reason="length")
    assert len(samples(items)) == 6 * FRAME


def test_pieces_are_joined_with_a_fade_and_a_pause():
    performance = Performance(TWO_PIECES, studio())
    performance.row()
    items = heard(performance, *[500] * 4, END)
    assert performance.wants is Wants.ROW
    performance.row()
    whole = samples(items + heard(performance, *[500] * 3, END))
    pause = round(0.05 * RATE)
    assert len(whole) == 7 * FRAME + pause
    faded = whole[3 * FRAME : 4 * FRAME]
    assert faded[0] == np.float32(0.5)
    assert faded[-1] == 0
    assert (np.diff(faded) < 0).all()
    assert not whole[4 * FRAME : 4 * FRAME + pause].any()


def test_each_piece_has_noise_of_its_own():
    performance = Performance(TWO_PIECES, studio())
    first = performance.row().noise
    heard(performance, 500, 500, END)
    second = performance.row().noise
    assert torch.equal(first, noise(5, (0, 0), len(first)))
    assert torch.equal(second, noise(5, (1, 0), len(second)))
    assert not torch.equal(first, second)


def test_later_pieces_of_a_voice_without_a_name_follow_the_first():
    in_studio = studio()
    performance = Performance(replace(TWO_PIECES, is_anchored=True), in_studio)
    performance.row()
    heard(performance, 500, 400, END)
    performance.row()
    (_, before), (text, voice) = in_studio.prompter.asked  # type: ignore[attr-defined]
    assert before.spoken is None
    assert text == "Three."
    assert isinstance(voice.spoken, Spoken)
    assert voice.spoken.text == "One two."
    assert torch.equal(voice.spoken.codes, torch.stack([frame(500), frame(400)]))
    assert torch.equal(in_studio.decoder.primed[0], voice.spoken.codes)  # type: ignore[attr-defined]


def test_a_runaway_is_nothing_to_follow():
    in_studio = studio()
    script = replace(TWO_PIECES, pieces=(*TWO_PIECES.pieces, Piece("Four.", 0.0)), is_anchored=True)
    performance = Performance(script, in_studio)
    performance.row()
    heard(performance, *[500] * SHORTEST_CAP)
    performance.row()
    heard(performance, 300, 300, END)
    performance.row()
    spoken = [voice.spoken for _, voice in in_studio.prompter.asked]  # type: ignore[attr-defined]
    assert [each and each.text for each in spoken] == [None, None, "Three."]


def test_one_piece_that_was_cut_makes_the_whole_length():
    performance = Performance(TWO_PIECES, studio())
    performance.row()
    heard(performance, *[500] * SHORTEST_CAP)
    performance.row()
    assert heard(performance, 500, 500, END)[-1] == Speech(finish_reason="length")


def test_a_text_whose_limit_is_reached_ends_there():
    performance = Performance(replace(TWO_PIECES, max_frames=4), studio())
    performance.row()
    assert heard(performance, *[500] * 4)[-1] == Speech(finish_reason="length")
    assert performance.wants is Wants.NOTHING


def test_numbers_that_overflowed_are_an_error_that_says_what_prevents_it():
    performance = Performance(SCRIPT, studio())
    performance.row()
    with pytest.raises(BackendFailed, match="float32"):
        heard(performance, BROKEN)


def test_progress_goes_on_through_pieces_and_never_back():
    performance = Performance(replace(TWO_PIECES, retries=True, max_frames=40), studio())
    fractions = []
    for ends_after in (40, 5, 3):
        performance.row()
        for _ in range(ends_after):
            heard(performance, 500)
            fractions.append(performance.progress().fraction)
        if performance.wants is Wants.FRAME:
            heard(performance, END)
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] < 1


def test_a_text_begins_with_its_first_sound():
    performance = Performance(SCRIPT, studio(trim_silence=True))
    performance.row()
    items = heard(performance, *[0] * 60, *[500] * 4, END)
    assert len(samples(items)) == 4 * FRAME + round(0.04 * RATE)
