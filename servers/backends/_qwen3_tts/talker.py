"""The generation loop: a batch of rows, one frame of 16 codes for each row at each step.

It runs the layers of qwen_tts (0.1.1) and none of the loop around them, which calls a whole Hugging Face
`generate` for the last fifteen codes of each frame. Greedy, its codes are upstream's bit for bit. Rows come
and go between two steps, each with its own settings and noise.

    state = talker.begin(rows)            reads the prompts
    codes = talker.step(state)            (rows, 16); a row whose first code is `talker.end` has ended
    talker.keep(state, [0, 2])            goes on with these rows
    state = talker.join(state, other)     speaks both from now on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from servers.backends._qwen3_tts.attention import KeyValues, Rotary
from servers.backends._qwen3_tts.predictor import CodePredictor
from servers.backends._qwen3_tts.prompts import Prompt
from servers.backends._qwen3_tts.sampling import Sampler, Sampling

BROKEN = -1
"""The first code of a row whose scores are no numbers."""
SHORTEST_FRAMES = 2
"""A row cannot end before: upstream's min_new_tokens."""
CONTROL_CODES = 1024
"""The last codes of the talker's vocabulary, which are no sound: only the end is ever spoken of them."""


@dataclass(frozen=True)
class Row:
    """One utterance, or piece of one. `noise` is (frames, 16): it may be stepped so many times."""

    prompt: Prompt
    noise: Tensor
    talker: Sampling
    predictor: Sampling
    repetition_penalty: float = 1.05


@dataclass
class TalkerState:
    """A batch between two steps; the first dimension of each tensor is the row."""

    rows: list[Row]
    cache: KeyValues
    seen: Tensor
    """(rows, length): which positions of the cache are a row's own; the others precede its prompt."""
    position: Tensor
    """(rows,): of the next input."""
    frame: Tensor
    """(rows,): how many were made."""
    said: Tensor
    """(rows, vocabulary): which first codes came already."""
    hidden: Tensor | None
    """(rows, 1, hidden): what the next frame is made from; None where the last one must be taken in first."""
    pending: Tensor | None = None
    """(rows, 1, hidden): the last frame, to be taken in."""
    settings: RowSettings = field(init=False)


class RowSettings:
    """What follows from the rows of a batch, made again when they change; all of it is on the device."""

    def __init__(self, state: TalkerState, device: torch.device) -> None:
        rows = state.rows
        self.talker = Sampler([row.talker for row in rows], device)
        self.predictor = Sampler([row.predictor for row in rows], device)
        self.penalty = torch.tensor([[row.repetition_penalty] for row in rows], device=device)
        self.noise = pad_sequence([row.noise for row in rows], batch_first=True)
        self.beside = pad_sequence([row.prompt.beside for row in rows], batch_first=True)
        self.last_beside = torch.tensor([len(row.prompt.beside) - 1 for row in rows], device=device)
        self.index = torch.arange(len(rows), device=device)
        self.is_padded = not bool(state.seen.all())


class Talker:
    """Steps batches with the weights of `model`, a Qwen3TTSForConditionalGeneration. One thread at a time."""

    def __init__(self, model: Any) -> None:
        self._talker = model.talker
        self._config = model.talker.config
        self._predictor = CodePredictor(model.talker.code_predictor)
        self._device: torch.device = model.talker.device
        self._attention: str = self._config._attn_implementation
        self.is_exact = model.talker.dtype == torch.float32
        """What a row says does not depend on how many there are beside it."""
        self.end: int = self._config.codec_eos_token_id
        self._mute = torch.zeros(self._config.vocab_size, device=self._device)
        self._mute[-CONTROL_CODES:] = -torch.inf
        self._mute[self.end] = 0
        self._rotary = Rotary(self._talker.model.rotary_emb, axes=3)

    @torch.inference_mode()
    def begin(self, rows: Sequence[Row]) -> TalkerState:
        """Reads the prompts, all at once; before the shorter ones there is nothing."""
        lengths = [len(row.prompt.before) for row in rows]
        inputs = _right_aligned([row.prompt.before for row in rows])
        seen = _right_aligned(
            [torch.ones(length, dtype=torch.long, device=self._device) for length in lengths]
        )
        position = (seen.cumsum(-1) - 1).masked_fill(seen == 0, 1)
        cache: Any = DynamicCache()
        read = self._talker.model(
            inputs_embeds=inputs,
            attention_mask=seen,
            position_ids=position[None].expand(3, -1, -1),
            past_key_values=cache,
            use_cache=True,
        )
        state = TalkerState(
            rows=[replace(row, noise=row.noise.to(self._device)) for row in rows],
            cache=KeyValues([layer.keys for layer in cache.layers], [layer.values for layer in cache.layers]),
            seen=seen.bool(),
            position=position[:, -1] + 1,
            frame=torch.zeros(len(rows), dtype=torch.long, device=self._device),
            said=torch.zeros(len(rows), self._config.vocab_size, dtype=torch.bool, device=self._device),
            hidden=read.last_hidden_state[:, -1:],
        )
        state.settings = RowSettings(state, self._device)
        return state

    @torch.inference_mode()
    def step(self, state: TalkerState) -> Tensor:
        """The next frame of each row, shape (rows, 16), on the CPU.

        Its first code is `end` where the row has ended, BROKEN where the model's numbers overflowed; what the
        others are then means nothing, and the row must not be kept.
        """
        if state.hidden is None:
            self._take_in(state)
        assert state.hidden is not None
        settings = state.settings
        now = settings.noise[settings.index, state.frame]
        scores = self._talker.codec_head(state.hidden)[:, -1].float()
        first = settings.talker.choose(self._weighed(scores, state), now[:, 0])
        state.said.scatter_(1, first[:, None], True)
        codes, embedded = self._predictor.rest(
            state.hidden,
            first,
            self._talker.model.codec_embedding(first[:, None]),
            now[:, 1:],
            settings.predictor,
        )
        beside = settings.beside[settings.index, state.frame.minimum(settings.last_beside)]
        state.pending, state.hidden = embedded + beside[:, None], None
        state.frame = state.frame + 1
        codes[:, 0] = first.masked_fill(~scores.isfinite().all(-1), BROKEN)
        return codes.cpu()

    def _weighed(self, scores: Tensor, state: TalkerState) -> Tensor:
        """The scores with repetitions made less likely, and without what cannot be said now."""
        penalty = state.settings.penalty
        scores = torch.where(state.said, torch.where(scores < 0, scores * penalty, scores / penalty), scores)
        scores = scores + self._mute
        scores[:, self.end] = scores[:, self.end].masked_fill(state.frame < SHORTEST_FRAMES, -torch.inf)
        return scores

    def _take_in(self, state: TalkerState) -> None:
        """Runs the last frame through the talker's layers."""
        hidden = state.pending
        assert hidden is not None
        state.seen = pad(state.seen, (0, 1), value=True)
        mask = self._mask(state)
        rotary = self._rotary.at(state.position, state.cache.length, hidden)
        for layer in self._talker.model.layers:
            hidden = layer(
                hidden,
                attention_mask=mask,
                position_embeddings=rotary,
                past_key_values=state.cache,
                use_cache=True,
            )[0]
        state.hidden, state.pending = self._talker.model.norm(hidden), None
        state.position = state.position + 1

    def _mask(self, state: TalkerState) -> Tensor | None:
        """What this checkpoint's attention takes as a mask of one position that sees the row's own ones."""
        if not state.settings.is_padded:
            return None
        if self._attention == "flash_attention_2":
            return state.seen.long()
        here = state.seen[:, None, None]
        if self._attention == "sdpa":
            return here
        dtype = self._talker.dtype
        return torch.zeros_like(here, dtype=dtype).masked_fill(~here, torch.finfo(dtype).min)

    @torch.inference_mode()
    def keep(self, state: TalkerState, rows: Sequence[int]) -> None:
        """Forget all rows but these, in this order, and the positions that none of them sees.

        Without the latter a batch that others join for hours would look back at all of them.
        """
        if list(rows) == list(range(len(state.rows))):
            return
        chosen = torch.tensor(rows, device=self._device)
        state.rows = [state.rows[row] for row in rows]
        unseen = int((~state.seen[chosen]).all(0).sum())
        state.cache.keep(chosen, unseen)
        state.seen, state.position = state.seen[chosen, unseen:], state.position[chosen]
        state.frame, state.said = state.frame[chosen], state.said[chosen]
        state.hidden = None if state.hidden is None else state.hidden[chosen]
        state.pending = None if state.pending is None else state.pending[chosen]
        state.settings = RowSettings(state, self._device)

    @torch.inference_mode()
    def join(self, *states: TalkerState) -> TalkerState:
        """The rows of all of them, in order; they are not to be used alone any more."""
        for state in states:
            if state.hidden is None:
                self._take_in(state)
        joined = TalkerState(
            rows=[row for state in states for row in state.rows],
            cache=KeyValues.side_by_side([state.cache for state in states]),
            seen=_right_aligned([row for state in states for row in state.seen]),
            position=torch.cat([state.position for state in states]),
            frame=torch.cat([state.frame for state in states]),
            said=torch.cat([state.said for state in states]),
            hidden=torch.cat([state.hidden for state in states if state.hidden is not None]),
        )
        joined.settings = RowSettings(joined, self._device)
        return joined


def _right_aligned(rows: Sequence[Tensor]) -> Tensor:
    """The rows one above the other, with zeros before the shorter ones."""
    longest = max(len(row) for row in rows)
    return torch.stack([pad(row, (0, 0) * (row.dim() - 1) + (longest - len(row), 0)) for row in rows])
