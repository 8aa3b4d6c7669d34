"""Whisper on ctranslate2: in which language somebody speaks, what, and when each word is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from servers.backends._whisper.attention import MOST_TOKENS, spelt, token_times, word_spans
from servers.backends._whisper.chunks import SAMPLE_RATE, Audio
from servers.backends._whisper.front import Front
from servers.backends._whisper.languages import NAMES, whisper_code
from servers.backends._whisper.options import DecodeOptions
from servers.backends._whisper.trimming import trimmed
from servers.backends._whisper.words import Aligned, words_of
from servers.errors import InvalidRequest
from servers.text.timing import Span, timed_words

ENGLISH = "en"
BEST_OF = 5
"""Hypotheses of which the likeliest is taken where the temperature is above 0, as Whisper has it."""
MEL_HZ = 100
"""Frames of a spectrogram in a second."""


@dataclass(frozen=True)
class DecodingResult:
    """The text of a chunk, and what Whisper says of it: see `servers.speech.Segment`."""

    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    aligned: Aligned | None = None
    """Its words, where they were asked for."""


@dataclass(frozen=True)
class Fitted:
    """A text's words as the attention has them in a window; `fits` is false for a text too long for one."""

    spans: list[Span | None]
    fits: bool


class Recogniser:
    """One model of faster_whisper's, for one thread."""

    def __init__(self, front: Front, beam_size: int, max_new_tokens: int | None) -> None:
        # Imported by whoever made the front; here, because a backend's module imports no model library.
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_compression_ratio

        self._make_tokenizer, self._compression_ratio = Tokenizer, get_compression_ratio
        self._front, self._whisper = front, front.whisper
        self._beam_size, self._max_new_tokens = beam_size, max_new_tokens
        self.languages = self._known_languages()
        self.detect_speech = front.detect_speech

    @property
    def multilingual(self) -> bool:
        return bool(self._whisper.model.is_multilingual)

    def _known_languages(self) -> tuple[str, ...]:
        """Those that have a token in this checkpoint: the newest ones have one more than the first."""
        if not self.multilingual:
            return (ENGLISH,)
        token = self._whisper.hf_tokenizer.token_to_id
        return tuple(code for code in NAMES if token(f"<|{code}|>") is not None)

    def code(
        self, language: str, known: Sequence[str] | None = None, what: str = "speech recognition"
    ) -> str:
        """Whisper's code for a tag or a name, among `known` or all that it has. Raises InvalidRequest."""
        return whisper_code(language, NAMES, self.languages if known is None else known, what)

    def detect_language(self, samples: Audio) -> str:
        """The likeliest language's code, by the first 30 s."""
        return self._front.detect_language(samples) if self.multilingual else ENGLISH

    def decode(self, chunks: Sequence[Audio], options: DecodeOptions) -> list[DecodingResult]:
        """What is said in each chunk, all at once."""
        tokenizer = self._tokenizer(options)
        prompt = self._prompt(tokenizer, options.prompt)
        encoded = self._whisper.encode(self._front.features(chunks))
        results = self._whisper.model.generate(
            encoded,
            [prompt] * len(chunks),
            max_length=self._max_length(len(prompt)),
            return_scores=True,
            return_no_speech_prob=True,
            **self._search(options.temperature),
        )
        decoded = [self._result(each, tokenizer) for each in results]
        return self._with_words(encoded, chunks, decoded, options) if options.words else decoded

    def fit(self, chunks: Sequence[Audio], texts: Sequence[str], language: str) -> list[Fitted]:
        """The words of a text that is said in each chunk, from the chunk's start."""
        return self._fitted(self._whisper.encode(self._front.features(chunks)), chunks, texts, language)

    def _with_words(
        self, encoded: Any, chunks: Sequence[Audio], decoded: Sequence[DecodingResult], options: DecodeOptions
    ) -> list[DecodingResult]:
        texts = [each.text for each in decoded]
        fitted = self._fitted(encoded, chunks, texts, options.language)
        return [
            replace(each, aligned=_aligned(each.text, options.language, one, len(samples) / SAMPLE_RATE))
            for each, one, samples in zip(decoded, fitted, chunks, strict=True)
        ]

    def _fitted(
        self, encoded: Any, chunks: Sequence[Audio], texts: Sequence[str], language: str
    ) -> list[Fitted]:
        tokenizer = self._tokenizer(DecodeOptions(language))
        written = [spelt(text, self._whisper.hf_tokenizer) for text in texts]
        results = self._whisper.model.align(
            encoded,
            tokenizer.sot_sequence,
            [each.ids[:MOST_TOKENS] or [tokenizer.eot] for each in written],
            [max(2, len(samples) * MEL_HZ // SAMPLE_RATE) for samples in chunks],
        )
        return [
            Fitted(
                trimmed(word_spans(words_of(text, language), each, token_times(result)), samples),
                len(each.ids) <= MOST_TOKENS,
            )
            for text, each, samples, result in zip(texts, written, chunks, results, strict=True)
        ]

    def _tokenizer(self, options: DecodeOptions) -> Any:
        if not self.multilingual and options.translate:
            raise InvalidRequest(
                "this model knows English only: there is nothing to translate", param="translate"
            )
        task = "translate" if options.translate else "transcribe"
        return self._make_tokenizer(
            self._whisper.hf_tokenizer, self.multilingual, task=task, language=options.language
        )

    def _prompt(self, tokenizer: Any, prompt: str | None) -> list[int]:
        """Whisper looks at the last 223 tokens of a prompt."""
        before = tokenizer.encode(f" {prompt.strip()}") if prompt and prompt.strip() else []
        tokens: list[int] = self._whisper.get_prompt(tokenizer, before, without_timestamps=True)
        return tokens

    def _max_length(self, prompt: int) -> int:
        most: int = self._whisper.max_length
        return most if self._max_new_tokens is None else min(most, prompt + self._max_new_tokens)

    def _search(self, temperature: float) -> dict[str, float]:
        if temperature > 0:
            best_of = {"beam_size": 1, "num_hypotheses": BEST_OF}
            return {**best_of, "sampling_topk": 0, "sampling_temperature": temperature}
        return {"beam_size": self._beam_size}

    def _result(self, result: Any, tokenizer: Any) -> DecodingResult:
        tokens = result.sequences_ids[0]
        text = tokenizer.decode(tokens).strip()
        return DecodingResult(
            text=text,
            # ctranslate2's score is the mean over the tokens; Whisper counts the end of the text as one more.
            avg_logprob=result.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech_prob=result.no_speech_prob,
            compression_ratio=self._compression_ratio(text),
        )


def _aligned(text: str, language: str, fitted: Fitted, duration_s: float) -> Aligned:
    words = words_of(text, language)
    timed = timed_words([word.word for word in words], fitted.spans, duration_s)
    return Aligned(timed, [word.start for word in words], duration_s)
