"""The generation loop against upstream's, code for code, and rows that come and go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import torch

    from servers.backends._qwen3_tts.talker import Row, Talker, TalkerState

FRAMES = 10
TEXTS = ["Hello there.", "A second, somewhat longer sentence to speak.", "Third"]
SPEAKERS = ["vivian", "ryan", "dylan"]
ATTENTIONS = ["sdpa", "eager"]


@pytest.fixture(scope="module", params=ATTENTIONS)
def package(request: Any, qwen_checkpoints: dict[str, Path]) -> Any:
    import torch
    from qwen_tts import Qwen3TTSModel

    return Qwen3TTSModel.from_pretrained(
        str(qwen_checkpoints["custom_voice"]),
        device_map="cpu",
        dtype=torch.float32,
        attn_implementation=request.param,
    )


@pytest.fixture(scope="module")
def talker(package: Any) -> Talker:
    from servers.backends._qwen3_tts.talker import Talker

    return Talker(package.model)


@pytest.fixture(scope="module")
def rows(package: Any) -> list[Row]:
    """Greedy rows with prompts of different lengths."""
    import torch

    from servers.backends._qwen3_tts.prompts import PromptBuilder, VoicePrompt
    from servers.backends._qwen3_tts.sampling import Sampling
    from servers.backends._qwen3_tts.talker import Row

    prompts = PromptBuilder(package.model, package.processor.tokenizer)
    greedy = Sampling(0, 0, 1)
    speakers = package.model.config.talker_config.spk_id
    return [
        Row(
            prompt=prompts.prompt(text, "english", VoicePrompt(speaker=prompts.speaker(speakers[speaker]))),
            noise=torch.zeros(2 * FRAMES, 16),
            talker=greedy,
            predictor=greedy,
            repetition_penalty=1.05,
        )
        for text, speaker in zip(TEXTS, SPEAKERS, strict=True)
    ]


@pytest.fixture(scope="module")
def upstreams(package: Any) -> list[torch.Tensor]:
    """The codes of upstream's own loop for the same texts, each (FRAMES, 16)."""
    said: list[list[torch.Tensor]] = []
    generate = package.model.generate

    def noted(*args: Any, **settings: Any) -> Any:
        codes, hidden = generate(*args, **settings)
        said.append(codes)
        return codes, hidden

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package.model, "generate", noted)
        package.generate_custom_voice(
            TEXTS,
            speaker=SPEAKERS,
            language="English",
            do_sample=False,
            subtalker_dosample=False,
            max_new_tokens=FRAMES + 1,
        )
    return said[0]


def stepped(talker: Talker, state: TalkerState, frames: int = FRAMES) -> torch.Tensor:
    """(rows, frames, 16)"""
    import torch

    return torch.stack([talker.step(state) for _ in range(frames)], dim=1)


def test_greedy_codes_are_upstreams_bit_for_bit_in_a_batch_and_alone(talker, rows, upstreams):
    together = stepped(talker, talker.begin(rows))
    for place, row in enumerate(rows):
        assert together[place].equal(upstreams[place])
        assert stepped(talker, talker.begin([row]))[0].equal(upstreams[place])


def test_rows_leave_and_the_others_do_not_notice(talker, rows, upstreams):
    state = talker.begin(rows)
    stepped(talker, state, 3)
    talker.keep(state, [2, 0])
    rest = stepped(talker, state, 3)
    assert rest[0].equal(upstreams[2][3:6])
    assert rest[1].equal(upstreams[0][3:6])
    talker.keep(state, [1])
    assert stepped(talker, state, 4)[0].equal(upstreams[0][6:])


def test_rows_come_and_the_others_do_not_notice(talker, rows, upstreams):
    state = talker.begin(rows[:1])
    stepped(talker, state, 4)
    state = talker.join(state, talker.begin(rows[1:]))
    joined = stepped(talker, state, 6)
    assert joined[0].equal(upstreams[0][4:])
    assert joined[1].equal(upstreams[1][:6])
    assert joined[2].equal(upstreams[2][:6])


def test_a_longer_prompt_joins_a_shorter_one_that_has_just_begun(talker, rows, upstreams):
    state = talker.join(talker.begin([rows[2]]), talker.begin([rows[1]]))
    joined = stepped(talker, state)
    assert joined[0].equal(upstreams[2])
    assert joined[1].equal(upstreams[1])


def test_scores_that_are_no_numbers_break_their_row_alone(talker, rows, upstreams):
    import torch

    from servers.backends._qwen3_tts.talker import BROKEN

    state = talker.begin(rows)
    stepped(talker, state, 2)
    state.pending = torch.where(torch.tensor([False, True, False])[:, None, None], torch.nan, state.pending)
    frame = talker.step(state)
    assert int(frame[1, 0]) == BROKEN
    assert frame[0].equal(upstreams[0][2])
    assert frame[2].equal(upstreams[2][2])
