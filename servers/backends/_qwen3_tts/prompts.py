"""What the talker is shown before it speaks: the text, the language, the voice, as upstream lays them out.

The layout is that of `Qwen3TTSForConditionalGeneration.generate` (qwen_tts 0.1.1), which cannot be called for
it alone: it builds and speaks in one go. The tests hold the two together, code for code. In order:

    the instruct, if any; the role, "<|im_start|>assistant\\n"; the codec's tags of language and speaker; then
    text first      the whole text and its end over codec_pad, then codec_bos: it is read before it is spoken
    text beside     its first token over codec_bos; the rest comes with the frames, one token for each
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

ROLE_TOKENS = 3
"""<|im_start|> assistant \\n, before every text."""
AFTER_TEXT_TOKENS = 5
"""<|im_end|> \\n <|im_start|> assistant \\n, after a text to speak."""
AFTER_SPOKEN_TOKENS = 2
"""<|im_end|> \\n, after a text that was spoken."""


@dataclass(frozen=True)
class SpokenExample:
    """A text and the codes (frames, 16) of somebody speaking it, which the talker is to go on from."""

    text: str
    codes: Tensor


@dataclass(frozen=True)
class VoicePrompt:
    """What the talker is told of who speaks, and how. `speaker` is an embedding of shape (hidden,)."""

    instruct: str | None = None
    speaker: Tensor | None = None
    example: SpokenExample | None = None
    is_text_first: bool = True
    """Upstream's non_streaming_mode: on for CustomVoice and VoiceDesign, off for Base."""


@dataclass(frozen=True)
class Prompt:
    """`before`, of shape (length, hidden), precedes the first frame; `beside[i]` is added to frame i.

    The last row of `beside` goes with every frame from there on.
    """

    before: Tensor
    beside: Tensor


class PromptBuilder:
    """Makes prompts with the embeddings of `model` (a Qwen3TTSForConditionalGeneration)."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._talker = model, model.talker
        self._config, self._codec = model.config, model.config.talker_config
        self._tokenizer = tokenizer
        self._control_words = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)

    def tokens(self, text: str) -> int:
        return len(self._ids(text))

    def speaker(self, row: int) -> Tensor:
        """The embedding of a speaker that was trained into row `row`."""
        return self._codes([row])[0, 0]

    @torch.inference_mode()
    def prompt(self, text: str, language: str | None, voice: VoicePrompt) -> Prompt:
        """`language` is a key of the checkpoint's codec_language_id; None leaves it to the text."""
        return self.laid_out(text, language, voice)

    def laid_out(self, text: str, language: str | None, voice: VoicePrompt) -> Prompt:
        """The same with gradients, where whoever calls it wants them: for training."""
        words = self._assistant(text, "<|im_start|>assistant\n")
        bos, eos, pad = self._texts(
            [self._config.tts_bos_token_id, self._config.tts_eos_token_id, self._config.tts_pad_token_id]
        ).chunk(3, dim=1)
        tags = self._tags(language, voice.speaker)
        role = self._texts(words[:ROLE_TOKENS])
        opening = torch.cat((pad.expand(-1, tags.shape[1] - 2, -1), bos), dim=1) + tags[:, :-1]
        said = words[ROLE_TOKENS:-AFTER_TEXT_TOKENS]
        if voice.example is not None:
            body, beside = self._going_on(said, voice.example, voice.is_text_first, pad, eos)
        elif voice.is_text_first:
            body, beside = self._text_first(said, pad, eos), pad
        else:
            body = self._texts(said[:1]) + tags[:, -1:]
            beside = torch.cat((self._texts(said[1:]), eos), dim=1)
        parts = [*self._instruct(voice.instruct), role, opening, body]
        return Prompt(torch.cat(parts, dim=1)[0], torch.cat((beside, pad), dim=1)[0])

    def _instruct(self, instruct: str | None) -> list[Tensor]:
        if not instruct:
            return []
        return [self._texts(self._ids(f"<|im_start|>user\n{self._plain(instruct)}<|im_end|>\n"))]

    def _tags(self, language: str | None, speaker: Tensor | None) -> Tensor:
        """What the codec is told: whether it knows the language, who speaks, and to begin."""
        codec = self._codec
        if language is None:
            think = [codec.codec_nothink_id, codec.codec_think_bos_id, codec.codec_think_eos_id]
        else:
            name = codec.codec_language_id[language]
            think = [codec.codec_think_id, codec.codec_think_bos_id, name, codec.codec_think_eos_id]
        who = [] if speaker is None else [speaker.to(self._talker.device, self._talker.dtype).view(1, 1, -1)]
        return torch.cat(
            (self._codes(think), *who, self._codes([codec.codec_pad_id, codec.codec_bos_id])), dim=1
        )

    def _text_first(self, said: Sequence[int], pad: Tensor, eos: Tensor) -> Tensor:
        text = torch.cat((self._texts(said), eos), dim=1)
        over = self._codes([self._codec.codec_pad_id] * (len(said) + 1))
        return torch.cat((text + over, pad + self._codes([self._codec.codec_bos_id])), dim=1)

    def _going_on(
        self, said: Sequence[int], example: SpokenExample, is_text_first: bool, pad: Tensor, eos: Tensor
    ) -> tuple[Tensor, Tensor]:
        before = self._assistant(example.text)[ROLE_TOKENS:-AFTER_SPOKEN_TOKENS]
        body, beside = self._model.generate_icl_prompt(
            text_id=self._tensor(said),
            ref_id=self._tensor(before),
            ref_code=example.codes.to(self._talker.device),
            tts_pad_embed=pad,
            tts_eos_embed=eos,
            non_streaming_mode=is_text_first,
        )
        return body, beside

    def _assistant(self, text: str, after: str = "") -> list[int]:
        return self._ids(f"<|im_start|>assistant\n{self._plain(text)}<|im_end|>\n{after}")

    def _plain(self, text: str) -> str:
        """The text with the model's control words taken apart: a client's text is only ever spoken."""
        for word in self._control_words:
            text = text.replace(word, f"{word[0]} {word[1:]}")
        return text

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text)["input_ids"]
        return ids

    def _texts(self, ids: Sequence[int]) -> Tensor:
        embedded: Tensor = self._talker.text_projection(self._talker.get_text_embeddings()(self._tensor(ids)))
        return embedded

    def _codes(self, ids: Sequence[int]) -> Tensor:
        embedded: Tensor = self._talker.get_input_embeddings()(self._tensor(ids))
        return embedded

    def _tensor(self, ids: Sequence[int]) -> Tensor:
        return torch.tensor([list(ids)], dtype=torch.long, device=self._talker.device)
