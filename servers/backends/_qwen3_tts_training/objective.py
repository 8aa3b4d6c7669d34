"""What is minimised: how unlikely the model finds the codes of a recording, each from what it then knows.

Generation makes frame t in two steps, and training has to ask for the same two (the positions count from the
first one of a row):

    talker      the state at P - 1 + t, P being the length of the prompt, says the first code of frame t, and
                the one at P - 1 + T, after all T frames, says the end
    predictor   is shown that same state, which has not seen the frame yet, then the frame's first code, and
                at position i the code i - 1; what it says there is code i, for i from 1 to 15

So no label is shifted against its scores. `ForCausalLMLoss` shifts labels by one, and upstream's script
(finetuning/sft_12hz.py) lets it do so twice for the talker, once where there is nothing to shift for the
predictor, and shows the latter the state after the frame that it is to find (QwenLM/Qwen3-TTS #179, #371).
The layers are the package's own; the prompt is laid out by the code that generation uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from servers.backends._qwen3_tts.prompts import PromptBuilder, VoicePrompt
from servers.backends._qwen3_tts.sampling import CODES

PREDICTOR_WEIGHT = 0.3
"""Of the predictor's mean beside the talker's, as upstream weighs it."""


@dataclass(frozen=True)
class Example:
    """A text and the codes (frames, 16) of somebody who speaks it."""

    text: str
    codes: Tensor

    @property
    def frames(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class Scores:
    """What the model says of some examples, one after the other, and what would have been right.

    `first` is (frames + one end for each example, vocabulary), `rest` (frames, 15, codebook); targets have
    no last dimension.
    """

    first: Tensor
    first_targets: Tensor
    rest: Tensor
    rest_targets: Tensor


@dataclass(frozen=True)
class Loss:
    """Means of cross-entropies, in nats for each code: of all codes of a step, of which this is a part."""

    talker: Tensor
    predictor: Tensor

    @property
    def total(self) -> Tensor:
        return self.talker + PREDICTOR_WEIGHT * self.predictor


class Objective:
    """Of the weights of `model`, a Qwen3TTSForConditionalGeneration, for one voice, which stays as it is."""

    def __init__(self, model: Any, prompts: PromptBuilder, voice: VoicePrompt, language: str | None) -> None:
        self._talker, self._prompts = model.talker, prompts
        speaker = None if voice.speaker is None else voice.speaker.detach()
        self._voice, self._language = replace(voice, speaker=speaker), language
        self._end: int = model.talker.config.codec_eos_token_id

    def loss(self, examples: Sequence[Example], frames: int | None = None, ends: int | None = None) -> Loss:
        """Of these examples. `frames` and `ends` are those of the whole step, where these are a part of it:
        the parts then add up to what they would be together.
        """
        scores = self.scores(examples)
        frames = sum(example.frames for example in examples) if frames is None else frames
        ends = len(examples) if ends is None else ends
        talker = cross_entropy(scores.first.float(), scores.first_targets, reduction="sum")
        predictor = cross_entropy(
            scores.rest.flatten(0, 1).float(), scores.rest_targets.flatten(), reduction="sum"
        )
        return Loss(talker / (frames + ends), predictor / (frames * (CODES - 1)))

    def scores(self, examples: Sequence[Example]) -> Scores:
        codes = [example.codes.to(self._talker.device) for example in examples]
        prompts = [self._prompts.laid_out(example.text, self._language, self._voice) for example in examples]
        rows = [
            torch.cat((prompt.before, self._frames(said) + _beside(prompt.beside, len(said))))
            for prompt, said in zip(prompts, codes, strict=True)
        ]
        states = self._read(rows)
        starts = [len(prompt.before) - 1 for prompt in prompts]
        before_frames = torch.cat(
            [states[row, start : start + len(codes[row])] for row, start in enumerate(starts)]
        )
        before_all = torch.cat(
            [states[row, start : start + len(codes[row]) + 1] for row, start in enumerate(starts)]
        )
        end = torch.tensor([self._end], device=self._talker.device)
        together = torch.cat(codes)
        return Scores(
            first=self._talker.codec_head(before_all),
            first_targets=torch.cat([torch.cat((said[:, 0], end)) for said in codes]),
            rest=self._rest(before_frames, together),
            rest_targets=together[:, 1:],
        )

    def _frames(self, codes: Tensor) -> Tensor:
        """What the talker is shown of frames (frames, 16): (frames, hidden)."""
        predictor = self._talker.code_predictor.get_input_embeddings()
        shown: Tensor = self._talker.get_input_embeddings()(codes[:, 0])
        for place in range(CODES - 1):
            shown = shown + predictor[place](codes[:, place + 1])
        return shown

    def _read(self, rows: Sequence[Tensor]) -> Tensor:
        """The talker's states (rows, length, hidden); what follows a shorter row means nothing."""
        inputs = pad_sequence(list(rows), batch_first=True)
        positions = torch.arange(inputs.shape[1], device=inputs.device)
        lengths = torch.tensor([len(row) for row in rows], device=inputs.device)
        states: Tensor = self._talker.model(
            inputs_embeds=inputs,
            attention_mask=(positions < lengths[:, None]).long(),
            position_ids=positions.expand(3, len(rows), -1),
            use_cache=False,
        ).last_hidden_state
        return states

    def _rest(self, states: Tensor, codes: Tensor) -> Tensor:
        """The predictor's scores (frames, 15, codebook) of what follows the first code of each frame."""
        predictor = self._talker.code_predictor
        embeddings = predictor.get_input_embeddings()
        shown = [states, self._talker.get_input_embeddings()(codes[:, 0])]
        shown += [embeddings[place](codes[:, place + 1]) for place in range(CODES - 2)]
        inputs = predictor.small_to_mtp_projection(torch.stack(shown, dim=1))
        said = predictor.model(inputs_embeds=inputs, use_cache=False).last_hidden_state
        return torch.stack([predictor.lm_head[place](said[:, place + 1]) for place in range(CODES - 1)], 1)


def _beside(beside: Tensor, frames: int) -> Tensor:
    """What is added to each frame; the last row goes with every one from there on."""
    places = torch.arange(frames, device=beside.device).clamp(max=len(beside) - 1)
    return beside[places]
