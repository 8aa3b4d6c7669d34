"""The code predictor: the fifteen codes of a frame after the talker's one, each from those before it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from servers.backends._qwen3_tts.attention import KeyValues, Rotary
from servers.backends._qwen3_tts.sampling import CODES, Sampler


class CodePredictor:
    """Runs the layers of `module`, a talker's code_predictor; what it remembers lasts for one frame."""

    def __init__(self, module: Any) -> None:
        self._module, self._model = module, module.model
        self._rotary = Rotary(self._model.rotary_emb)
        self._cache = KeyValues(growth=CODES)
        self._needs_mask = module.config._attn_implementation == "eager"

    def rest(
        self, hidden: Tensor, first: Tensor, embedded: Tensor, noise: Tensor, sampler: Sampler
    ) -> tuple[Tensor, Tensor]:
        """All codes of a frame, (rows, 16), and the sum of their embeddings, (rows, 1, hidden).

        `hidden` is the talker's state, (rows, 1, hidden), `first` its code, (rows,), `embedded` that code's
        embedding, (rows, 1, hidden), and `noise` is (rows, 15).
        """
        self._cache.restart(len(first))
        codes, embeddings = [first], [embedded]
        inputs = torch.cat((hidden, embedded), dim=1)
        for place in range(CODES - 1):
            scores = self._module.lm_head[place](self._last(inputs)).float()
            codes.append(sampler.choose(scores, noise[:, place]))
            inputs = self._model.codec_embedding[place](codes[-1][:, None])
            embeddings.append(inputs)
        return torch.stack(codes, dim=1), torch.cat(embeddings, dim=1).sum(1, keepdim=True)

    def _last(self, inputs: Tensor) -> Tensor:
        """The state after the last of the inputs, (rows, hidden)."""
        states = self._module.small_to_mtp_projection(inputs)
        start = self._cache.length
        end = start + inputs.shape[1]
        rotary, mask = self._rotary.span(start, end, states), self._mask(states)
        for layer in self._model.layers:
            states = layer(
                states,
                attention_mask=mask,
                position_embeddings=rotary,
                past_key_values=self._cache,
                use_cache=True,
            )[0]
        last: Tensor = self._model.norm(states)[:, -1]
        return last

    def _mask(self, states: Tensor) -> Tensor | None:
        """No position sees a later one: there is none but in the first run, and only eager has to be told."""
        positions = states.shape[1]
        if positions == 1 or not self._needs_mask:
            return None
        return (
            torch.full((positions, positions), torch.finfo(states.dtype).min).triu(1).to(states)[None, None]
        )
