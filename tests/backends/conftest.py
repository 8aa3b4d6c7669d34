"""The embedded backends, loaded once, and a recording that one of them made."""

from __future__ import annotations

import importlib.util
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile

from servers.backends.base import About
from servers.backends.espeak import Espeak, EspeakUtterance
from servers.backends.pocketsphinx import PocketSphinx
from servers.backends.qwen3_tts import Qwen3Tts
from servers.backends.whisperx import Whisperx
from servers.speech import Chunk, ModelSpec, Speech, Word
from tests.backends import tiny_qwen, tiny_whisperx

PARAGRAPH = (
    "The old keeper walked slowly down the beach, counting the boats as they came home before the storm. "
    "His name was Thomas Wickhambly — and he had lived on the island for 45 years. Every evening he wrote a "
    "few lines in a small red book, about the weather, the birds, and the ships that passed. "
    "It said that the light would be replaced by a $45.50 machine."
)


LoadQwen = Callable[..., tuple[Qwen3Tts, About]]


@dataclass(frozen=True)
class Spoken:
    """A recording, and what is known of it from the synthesiser."""

    path: Path
    words: tuple[Word, ...]
    duration_s: float


@dataclass(frozen=True)
class WhisperxFolders:
    """Where the tiny checkpoints are."""

    whisper: Path
    english: Path
    german: Path
    punkt: Path
    tokens: ClassVar[int] = 12
    """So many are decoded of each chunk: random weights never come to an end of their own."""

    def spec(self, **options: object) -> ModelSpec:
        """A model that has all of them, in floats: what a batch changes in them is nothing."""
        usual = {
            "checkpoint": self.whisper,
            "compute_type": "float32",
            "max_new_tokens": self.tokens,
            "beam_size": 2,
            "cpu_threads": 1,
            "align": {"en": self.english, "de": self.german},
        }
        return ModelSpec(backend="whisperx", name="tiny", options=usual | options)


@pytest.fixture(scope="session")
def loaded_espeak() -> tuple[Espeak, About]:
    espeak = Espeak()
    return espeak, espeak.load(ModelSpec(backend="espeak", name="espeak"), "cpu")


@pytest.fixture(scope="session")
def loaded_pocketsphinx() -> tuple[PocketSphinx, About]:
    pocketsphinx = PocketSphinx()
    return pocketsphinx, pocketsphinx.load(ModelSpec(backend="pocketsphinx", name="pocketsphinx"), "cpu")


@pytest.fixture(scope="session")
def qwen_tts() -> None:
    """Skips where the model's package is not there. Tests run side by side, so each takes one thread."""
    if importlib.util.find_spec("qwen_tts") is None:
        pytest.skip("needs the extra [qwen], for qwen_tts is not installed")
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def qwen_checkpoints(qwen_tts: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of tiny Qwen3-TTS checkpoints: custom_voice, voice_design, base and fine_tuned."""
    return tiny_qwen.write_checkpoints(tmp_path_factory.mktemp("qwen"))


@pytest.fixture(scope="session")
def load_qwen(qwen_checkpoints: dict[str, Path]) -> LoadQwen:
    """Loads a checkpoint, by its name or by its folder, with options: each once."""
    loaded: dict[tuple[Any, ...], tuple[Qwen3Tts, About]] = {}

    def once(name: str | Path, **options: Any) -> tuple[Qwen3Tts, About]:
        key = (name, *sorted(options.items()))
        if key not in loaded:
            folder = name if isinstance(name, Path) else qwen_checkpoints[name]
            spec = ModelSpec(backend="qwen3_tts", name=folder.name, options={"checkpoint": folder, **options})
            backend = Qwen3Tts()
            loaded[key] = backend, backend.load(spec, "cpu")
        return loaded[key]

    return once


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a tone to clone, for there is no voice that random weights would know."""
    path = tmp_path_factory.mktemp("clips") / "clip.wav"
    tone = 0.1 * np.sin(2 * np.pi * 220 * np.arange(48_000) / 24_000)
    soundfile.write(path, tone.astype(np.float32), 24_000, subtype="FLOAT")
    return path


@pytest.fixture(scope="session")
def speak(
    loaded_espeak: tuple[Espeak, About], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Spoken]:
    """Say a text in the default voice, into a file."""

    def into_file(text: str) -> Spoken:
        chunks, words = [], ()
        for _, item in loaded_espeak[0].synthesize([EspeakUtterance(text=text)]):
            if isinstance(item, Chunk):
                chunks.append(item)
            else:
                assert isinstance(item, Speech)
                words = item.words
        samples = np.concatenate([chunk.samples for chunk in chunks])
        path = tmp_path_factory.mktemp("spoken") / "spoken.wav"
        soundfile.write(path, samples, chunks[0].sample_rate)
        return Spoken(path, words, len(samples) / chunks[0].sample_rate)

    return into_file


@pytest.fixture(scope="session")
def paragraph(speak: Callable[[str], Spoken]) -> Spoken:
    return speak(PARAGRAPH)


# whisperx: see tiny_whisperx.py


@pytest.fixture(scope="session")
def whisperx_package() -> None:
    """Skips where it is not there."""
    if importlib.util.find_spec("whisperx") is None:
        pytest.skip("needs the extra [whisperx], for whisperx is not installed")


@pytest.fixture(scope="session")
def whisperx_folders(whisperx_package: None, tmp_path_factory: pytest.TempPathFactory) -> WhisperxFolders:
    folder = tmp_path_factory.mktemp("whisperx")
    return WhisperxFolders(
        whisper=tiny_whisperx.whisper(folder / "whisper"),
        english=tiny_whisperx.wav2vec2(folder / "en"),
        german=tiny_whisperx.wav2vec2(folder / "de", string.ascii_lowercase + "äöüß", seed=1),
        punkt=tiny_whisperx.punkt(folder / "nltk"),
    )


@pytest.fixture(scope="session")
def loaded_whisperx(whisperx_folders: WhisperxFolders) -> tuple[Whisperx, About]:
    whisperx = Whisperx()
    return whisperx, whisperx.load(whisperx_folders.spec(), "cpu")
