"""The codes that training asks for are those that generation makes, at the positions where it makes them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import torch

    from servers.backends._qwen3_tts_training.objective import Example, Objective, Scores

TEXTS = ["Hello there.", "A second, somewhat longer sentence to speak."]
FRAMES = 8
SPEAKER = "vivian"
UNIFORM = math.log(2048)
"""The cross-entropy of knowing nothing of a code."""


def loaded(folder: Path, attention: str = "sdpa") -> Any:
    import torch
    from qwen_tts import Qwen3TTSModel

    return Qwen3TTSModel.from_pretrained(
        str(folder), device_map="cpu", dtype=torch.float32, attn_implementation=attention
    )


def objective_of(package: Any) -> Objective:
    from servers.backends._qwen3_tts.prompts import PromptBuilder, VoicePrompt
    from servers.backends._qwen3_tts_training.objective import Objective

    prompts = PromptBuilder(package.model, package.processor.tokenizer)
    speaker = prompts.speaker(package.model.config.talker_config.spk_id[SPEAKER])
    return Objective(package.model, prompts, VoicePrompt(speaker=speaker), "english")


def generated(package: Any, texts: list[str], frames: int) -> list[torch.Tensor]:
    """What upstream's own loop says, the likeliest code each time: (frames, 16) for each text."""
    said: list[torch.Tensor] = []
    generate = package.model.generate

    def noted(*args: Any, **settings: Any) -> Any:
        codes, hidden = generate(*args, **settings)
        said.extend(codes)
        return codes, hidden

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package.model, "generate", noted)
        package.generate_custom_voice(
            texts,
            speaker=[SPEAKER] * len(texts),
            language=["english"] * len(texts),
            do_sample=False,
            subtalker_dosample=False,
            repetition_penalty=1.0,
            max_new_tokens=frames + 1,
        )
    return said


def entropy(scores: torch.Tensor, codes: torch.Tensor) -> float:
    """The mean cross-entropy, in nats."""
    from torch.nn.functional import cross_entropy

    return float(cross_entropy(scores.flatten(0, -2), codes.flatten()))


def parted(scores: Scores, frames: list[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The first scores, without the end's, and the others of each example."""
    firsts = scores.first.split([count + 1 for count in frames])
    rests = scores.rest.split(frames)
    return [(first[:-1], rest) for first, rest in zip(firsts, rests, strict=True)]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_likeliest_codes_are_those_that_upstreams_loop_says(
    qwen_checkpoints: dict[str, Path], attention: str
) -> None:
    import torch

    from servers.backends._qwen3_tts_training.objective import Example

    package = loaded(qwen_checkpoints["custom_voice"], attention)
    said = generated(package, TEXTS, FRAMES)
    with torch.no_grad():
        scores = objective_of(package).scores(
            [Example(text, codes) for text, codes in zip(TEXTS, said, strict=True)]
        )
    frames = [len(codes) for codes in said]
    assert min(frames) >= FRAMES
    for codes, (first, rest) in zip(said, parted(scores, frames), strict=True):
        assert torch.equal(first[:, :2048].argmax(-1), codes[:, 0])
        assert torch.equal(rest.argmax(-1), codes[:, 1:])


def test_the_parts_of_a_step_add_up_to_the_whole(qwen_checkpoints: dict[str, Path]) -> None:
    import torch

    from servers.backends._qwen3_tts_training.objective import Example
    from tests.backends.qwen_models import random_codes

    objective = objective_of(loaded(qwen_checkpoints["custom_voice"]))
    examples = [Example("One.", random_codes(3)), Example("Two, and more of it.", random_codes(9, seed=1))]
    with torch.no_grad():
        whole = objective.loss(examples).total
        parts = [objective.loss([example], frames=12, ends=2).total for example in examples]
    assert float(sum(parts)) == pytest.approx(float(whole), rel=1e-5)


def states_of(objective: Objective, example: Example) -> torch.Tensor:
    """The talker's states from the one that says the first frame on, to the one that says the end."""
    import torch

    prompt = objective._prompts.laid_out(example.text, objective._language, objective._voice)
    frames = objective._frames(example.codes) + prompt.beside[-1]
    return objective._read([torch.cat((prompt.before, frames))])[0, len(prompt.before) - 1 :]


@pytest.fixture(scope="module")
def overfitted(qwen_checkpoints: dict[str, Path]) -> tuple[Any, Objective, Example]:
    """A tiny model that was shown one sentence until it knew it."""
    import torch

    from servers.backends._qwen3_tts_training.objective import Example
    from servers.backends._qwen3_tts_training.optimizer import Optimizer, trainable
    from tests.backends.qwen_models import random_codes

    package = loaded(qwen_checkpoints["custom_voice"])
    objective = objective_of(package)
    codes = random_codes(FRAMES)
    codes[FRAMES // 2 :, 0] = codes[: FRAMES // 2, 0]  # only the state tells what follows the first code
    example = Example(TEXTS[0], codes)
    optimizer = Optimizer(trainable(package.model), lr=3e-3, warmup_steps=5)
    for step in range(200):
        loss = objective.loss([example]).total
        loss.backward()
        optimizer.step(step)
        if float(loss.detach()) < 0.01:
            break
    with torch.no_grad():
        assert float(objective.loss([example]).total) < 0.05
    return package, objective, example


def test_one_sentence_is_learnt_until_its_codes_and_its_end_are_reproduced(
    overfitted: tuple[Any, Objective, Example],
) -> None:
    import torch

    package, _, example = overfitted
    (said,) = generated(package, [example.text], 4 * FRAMES)
    assert torch.equal(said, example.codes)


def test_each_code_is_known_where_it_is_made_and_nowhere_else(
    overfitted: tuple[Any, Objective, Example],
) -> None:
    """The right positions against those of upstream's script: see the module that is tested."""
    import torch

    _, objective, example = overfitted
    codes = example.codes
    with torch.no_grad():
        scores = objective.scores([example])
        leaked = objective._rest(states_of(objective, example)[1:], codes)
    first, rest = scores.first[:-1], scores.rest
    assert entropy(first, codes[:, 0]) < 0.05
    assert entropy(first[:-1], codes[1:, 0]) > UNIFORM / 2, "the frame after the next"
    assert entropy(rest, codes[:, 1:]) < 0.05
    assert entropy(rest[:, :-1], codes[:, 2:]) > UNIFORM / 2, "the code after the next"
    assert entropy(leaked[:, 0], codes[:, 1]) > 1, "from the state that has seen the frame"
