"""When each word of a text is said: a wav2vec2 CTC model, and the path through its emissions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from servers.backends._whisper.chunks import SAMPLE_RATE, Audio
from servers.backends._whisper.words import Aligned, does_not_fit, words_of
from servers.backends._whisperx.alphabet import Alphabet, TokenizedText
from servers.backends._whisperx.trellis import Emission, TokenSpan, Trellis, needed_bytes
from servers.errors import InvalidRequest, TooLarge
from servers.text.normalize import SpokenWord
from servers.text.timing import Span, timed_words

HOP = 320
"""Samples from one frame of a wav2vec2 to the next."""
LEAST = 400
"""Samples that its first frame needs."""
BLOCK_S, CONTEXT_S = 30.0, 1.0
"""The emissions of a long recording are computed in blocks, each with some of its neighbours around it."""
MOST_BYTES = 1 << 30
"""What the alignment of one text may take: an hour with its text does."""


class Aligner:
    """An alignment model of one language; `letters` are its tokens by lower-case letter."""

    def __init__(self, model: Any, letters: dict[str, int], language: str, device: str) -> None:
        self.language, self._model, self._device = language, model, device
        self._alphabet = Alphabet(letters, int(model.config.vocab_size))

    def align_chunk(self, text: str, samples: Audio) -> Aligned:
        """A text that was recognised in these samples; the times are from the samples' start.

        Where the text does not fit into the samples, or in none of the model's letters, all are interpolated.
        """
        words = words_of(text, self.language)
        tokenized = self._alphabet.tokenize(words)
        trellis = Trellis(tokenized.tokens, self._alphabet.blank)
        emission = self._emission(samples)
        if len(tokenized.tokens) <= len(emission):
            trellis.extend(emission)
        return _timed(words, tokenized, trellis.token_spans(), len(emission), len(samples))

    def align(self, text: str, blocks: Iterable[Audio], expected_s: float) -> Iterator[float | Aligned]:
        """The seconds that have been gone through, again and again; at last the text, aligned.

        `blocks` are BLOCK_S long, but for the last; `expected_s` is what the file's header says of them all.

        Raises InvalidRequest where the text cannot be made to fit, TooLarge where it takes too much memory.
        """
        words = words_of(text, self.language)
        tokenized = self._tokenized(words, expected_s)
        trellis = Trellis(tokenized.tokens, self._alphabet.blank)
        frames, samples = 0, 0
        for length, block in with_context(blocks, round(CONTEXT_S * SAMPLE_RATE)):
            emission = self._emission(block.samples)[block.frames]
            trellis.extend(emission)
            frames, samples = frames + len(emission), samples + length
            yield samples / SAMPLE_RATE
        token_spans = trellis.token_spans()
        if token_spans is None:
            raise does_not_fit(len(words), samples / SAMPLE_RATE)
        yield _timed(words, tokenized, token_spans, frames, samples)

    def _tokenized(self, words: Sequence[SpokenWord], expected_s: float) -> TokenizedText:
        tokenized = self._alphabet.tokenize(words)
        if not any(tokenized.known):
            raise InvalidRequest(
                f"the text has no letter that the alignment model for {self.language!r} knows", param="text"
            )
        if needed_bytes(len(tokenized.tokens), round(expected_s * SAMPLE_RATE / HOP)) > MOST_BYTES:
            raise TooLarge(
                f"{expected_s:.0f} s of audio with {len(tokenized.tokens)} letters are too much for one "
                "alignment; cut both in pieces",
                param="text",
            )
        return tokenized

    def _emission(self, samples: Audio) -> Emission:
        import torch

        audio = torch.from_numpy(np.pad(samples, (0, max(0, LEAST - len(samples)))))
        with torch.inference_mode():
            logits = self._model(audio.unsqueeze(0).to(self._device)).logits
            emission: Emission = torch.log_softmax(logits.float(), dim=-1)[0].cpu().numpy()
        return emission


def _timed(
    words: Sequence[SpokenWord],
    tokenized: TokenizedText,
    token_spans: Sequence[TokenSpan] | None,
    frames: int,
    samples: int,
) -> Aligned:
    duration_s = samples / SAMPLE_RATE
    frame_s = duration_s / frames
    spans = [
        None
        if token_spans is None or not tokenized.is_known(word)
        else _span(tokenized, token_spans, word, frame_s)
        for word in range(len(words))
    ]
    timed = timed_words([word.word for word in words], spans, duration_s)
    return Aligned(timed, [word.start for word in words], duration_s)


def _span(tokenized: TokenizedText, token_spans: Sequence[TokenSpan], word: int, frame_s: float) -> Span:
    """From the word's first token to its last; its score is the mean of those that the alphabet has."""
    positions = tokenized.positions[word]
    probabilities = [token_spans[each].probability for each in positions if tokenized.known[each]]
    score = min(1.0, max(0.0, sum(probabilities) / len(probabilities)))
    first, last = token_spans[positions[0]], token_spans[positions[-1]]
    return Span(first.start * frame_s, last.end * frame_s, round(score, 4))


class BlockWithContext:
    """A block with some of its neighbours, and which of the frames are the block's own."""

    def __init__(self, before: Audio, block: Audio, after: Audio) -> None:
        self.samples = np.concatenate([before, block, after])
        start = len(before) // HOP
        self.frames = slice(start, start + len(block) // HOP if len(after) else None)


def with_context(blocks: Iterable[Audio], context: int) -> Iterator[tuple[int, BlockWithContext]]:
    """Each block's length, and the block with so many samples of its neighbours around it.

    The lengths of the blocks, but for the last, and of the context are multiples of HOP: so the frames of
    all blocks follow each other as those of the whole recording do.
    """
    none = np.zeros(0, np.float32)
    before = none
    for block, following in pairwise(_and_then(blocks, none)):
        yield len(block), BlockWithContext(before, block, following[:context])
        before = block[-context:]


def _and_then(blocks: Iterable[Audio], last: Audio) -> Iterator[Audio]:
    yield from blocks
    yield last
