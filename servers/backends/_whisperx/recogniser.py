"""Whisper through whisperx and ctranslate2: where somebody speaks, in which language, and what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from servers.backends._whisperx.chunks import SAMPLE_RATE, Audio
from servers.backends._whisperx.languages import whisper_code
from servers.backends._whisperx.options import DecodeOptions
from servers.errors import InvalidRequest

ENGLISH = "en"
BEST_OF = 5
"""Hypotheses of which the likeliest is taken where the temperature is above 0, as Whisper has it."""


@dataclass(frozen=True)
class DecodingResult:
    """The text of a chunk, and what Whisper says of it: see `servers.speech.Segment`."""

    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


class Recogniser:
    """One whisperx pipeline, for one thread."""

    def __init__(self, pipeline: Any, beam_size: int, max_new_tokens: int | None) -> None:
        # Imported by whoever made the pipeline; here, because a backend's module imports no model library.
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_compression_ratio
        from whisperx.utils import LANGUAGES

        self._make_tokenizer, self._compression_ratio = Tokenizer, get_compression_ratio
        self._pipeline, self._whisper, self._vad = pipeline, pipeline.model, pipeline.vad_model
        self._beam_size, self._max_new_tokens = beam_size, max_new_tokens
        self._names: dict[str, str] = LANGUAGES
        self.languages = self._known_languages()

    @property
    def multilingual(self) -> bool:
        return bool(self._whisper.model.is_multilingual)

    def _known_languages(self) -> tuple[str, ...]:
        """Those that have a token in this checkpoint: the newest ones have one more than the first."""
        if not self.multilingual:
            return (ENGLISH,)
        token = self._whisper.hf_tokenizer.token_to_id
        return tuple(code for code in self._names if token(f"<|{code}|>") is not None)

    def code(
        self, language: str, known: Sequence[str] | None = None, what: str = "speech recognition"
    ) -> str:
        """Whisper's code for a tag or a name, among `known` or all that it has. Raises InvalidRequest."""
        return whisper_code(language, self._names, self.languages if known is None else known, what)

    def detect_speech(
        self, samples: Audio, onset: float, offset: float, chunk_s: float
    ) -> list[tuple[float, float]]:
        """The stretches in which somebody speaks, merged up to `chunk_s`, as (start, end) in seconds."""
        waveform = self._vad.preprocess_audio(samples)
        scores = self._vad({"waveform": waveform, "sample_rate": SAMPLE_RATE})
        merged = self._vad.merge_chunks(scores, chunk_s, onset=onset, offset=offset)
        return [(float(chunk["start"]), float(chunk["end"])) for chunk in merged]

    def detect_language(self, samples: Audio) -> str:
        """The likeliest language's code, by the first 30 s."""
        return self._pipeline.detect_language(samples) if self.multilingual else ENGLISH

    def decode(self, chunks: Sequence[Audio], options: DecodeOptions) -> list[DecodingResult]:
        """What is said in each chunk, all at once."""
        tokenizer = self._tokenizer(options)
        prompt = self._prompt(tokenizer, options.prompt)
        results = self._whisper.model.generate(
            self._whisper.encode(self._features(chunks)),
            [prompt] * len(chunks),
            max_length=self._max_length(len(prompt)),
            return_scores=True,
            return_no_speech_prob=True,
            **self._search(options.temperature),
        )
        return [self._result(each, tokenizer) for each in results]

    def _features(self, chunks: Sequence[Audio]) -> Any:
        """Log-mel spectrograms, shape (chunks, mels, frames)."""
        return np.stack([self._pipeline.preprocess({"inputs": each})["inputs"].numpy() for each in chunks])

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
