"""Whisper through whisperx and ctranslate2: where somebody speaks, in which language, and what."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from servers.backends._whisperx.cutting import LONGEST, SAMPLE_RATE, Audio
from servers.backends._whisperx.languages import whisper_code
from servers.errors import InvalidRequest

ENGLISH = "en"
BEST_OF = 5
"""Guesses of which the likeliest is taken where the temperature is above 0, as Whisper has it."""


@dataclass(frozen=True)
class Manner:
    """How a piece is heard. Pieces of different recordings are heard at once where it is the same."""

    language: str
    prompt: str | None
    temperature: float
    translate: bool
    batch_size: int


@dataclass(frozen=True)
class Heard:
    """The text of a piece, and what Whisper says of it: see `servers.speech.Segment`."""

    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


class Ear:
    """One whisperx pipeline, for one thread."""

    def __init__(self, pipeline: Any, beam_size: int, max_new_tokens: int | None) -> None:
        # Imported by whoever made the pipeline; here, because a backend's module imports no model library.
        from faster_whisper.tokenizer import Tokenizer
        from whisperx.audio import log_mel_spectrogram
        from whisperx.utils import LANGUAGES

        self._tokenizer, self._mel = Tokenizer, log_mel_spectrogram
        self._whisper, self._vad = pipeline.model, pipeline.vad_model
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
        """Whisper's code for a tag or a name, among `known` or all that it hears. Raises InvalidRequest."""
        return whisper_code(language, self._names, self.languages if known is None else known, what)

    def speech(
        self, samples: Audio, onset: float, offset: float, chunk_s: float
    ) -> list[tuple[float, float]]:
        """The stretches in which somebody speaks, merged up to `chunk_s`, as (start, end) in seconds."""
        waveform = self._vad.preprocess_audio(samples)
        scores = self._vad({"waveform": waveform, "sample_rate": SAMPLE_RATE})
        merged = self._vad.merge_chunks(scores, chunk_s, onset=onset, offset=offset)
        return [(float(chunk["start"]), float(chunk["end"])) for chunk in merged]

    def language_of(self, samples: Audio) -> str:
        """The likeliest language's code."""
        if not self.multilingual:
            return ENGLISH
        ((likeliest, *_),) = self._whisper.model.detect_language(
            self._whisper.encode(self._features([samples]))
        )
        token: str = likeliest[0]
        return token.removeprefix("<|").removesuffix("|>")

    def hear(self, pieces: Sequence[Audio], manner: Manner) -> list[Heard]:
        """What is said in each piece, all at once."""
        tokenizer = self._tokenizer_for(manner)
        prompt = self._prompt(tokenizer, manner.prompt)
        found = self._whisper.model.generate(
            self._whisper.encode(self._features(pieces)),
            [prompt] * len(pieces),
            max_length=self._max_length(len(prompt)),
            return_scores=True,
            return_no_speech_prob=True,
            **self._search(manner.temperature),
        )
        return [_heard(result, tokenizer) for result in found]

    def _features(self, pieces: Sequence[Audio]) -> Any:
        mels = self._whisper.feat_kwargs.get("feature_size", 80)
        return np.stack([self._mel(piece, mels, padding=LONGEST - len(piece)).numpy() for piece in pieces])

    def _tokenizer_for(self, manner: Manner) -> Any:
        if not self.multilingual and manner.translate:
            raise InvalidRequest(
                "this model hears English only: there is nothing to translate", param="translate"
            )
        task = "translate" if manner.translate else "transcribe"
        return self._tokenizer(
            self._whisper.hf_tokenizer, self.multilingual, task=task, language=manner.language
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
            guesses = {"beam_size": 1, "num_hypotheses": BEST_OF}
            return {**guesses, "sampling_topk": 0, "sampling_temperature": temperature}
        return {"beam_size": self._beam_size}


def _heard(result: Any, tokenizer: Any) -> Heard:
    tokens = result.sequences_ids[0]
    text = tokenizer.tokenizer.decode([token for token in tokens if token < tokenizer.eot]).strip()
    return Heard(
        text=text,
        # ctranslate2's score is the mean over the tokens; Whisper counts the end of the text as one more.
        avg_logprob=result.scores[0] * len(tokens) / (len(tokens) + 1),
        no_speech_prob=result.no_speech_prob,
        compression_ratio=compression_ratio(text),
    )


def compression_ratio(text: str) -> float:
    """Bytes of the text for each byte that zlib needs for it, as Whisper has it."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))
