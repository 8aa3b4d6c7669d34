"""Qwen3-TTS on tiny random checkpoints, through the real package: the contract, for every variant."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from servers.backends._qwen3_tts.request import QwenOptions, QwenUtterance
from servers.backends.base import About
from servers.backends.qwen3_tts import Qwen3Tts
from servers.errors import AudioTooLong, InvalidRequest, UnknownVoice, UnsupportedAudio
from servers.settings import ROOT

from .conftest import LoadQwen
from .contract import ArrivalsContract, Bad, Good, Same, SpeakingContract

SHORT = 6
"""Frames: random weights find no end by themselves."""


def write_tone(path: Path, seconds: float, amplitude: float = 0.1) -> Path:
    tone = amplitude * np.sin(2 * np.pi * 220 * np.arange(round(seconds * 24_000)) / 24_000)
    soundfile.write(path, tone.astype(np.float32), 24_000)
    return path


class QwenContract(SpeakingContract, ArrivalsContract):
    """The contract of every variant; a subclass says which, and how it is told who speaks."""

    kind = Qwen3Tts
    checkpoint: str

    @pytest.fixture
    def who(self) -> Mapping[str, Any]:
        return {}

    @pytest.fixture
    def backend(self, load_qwen: LoadQwen) -> Qwen3Tts:
        return load_qwen(self.checkpoint)[0]

    @pytest.fixture
    def about(self, load_qwen: LoadQwen) -> About:
        return load_qwen(self.checkpoint)[1]

    @pytest.fixture
    def good(self, who: Mapping[str, Any]) -> Good:
        first = QwenUtterance(text="Hello there.", max_frames=SHORT, seed=1, **who)
        return {
            "synthesize": [
                first,
                QwenUtterance(text="Guten Tag!", max_frames=4, seed=2, language="de", **who),
            ]
        }

    @pytest.fixture
    def same(self, good: Good) -> Same:
        return [good["synthesize"][0].model_copy(update={"seed": seed}) for seed in range(2)]

    def unspeakable(self, who: Mapping[str, Any]) -> Bad:
        return [
            ("synthesize", QwenUtterance(text="🙂 — …", **who), InvalidRequest, "text"),
            ("synthesize", QwenUtterance(text="Hi.", language="tlh", **who), InvalidRequest, "language"),
        ]


class TestCustomVoice(QwenContract):
    checkpoint = "custom_voice"

    @pytest.fixture
    def who(self) -> Mapping[str, Any]:
        return {"voice": "Vivian", "instruct": "gladly"}

    @pytest.fixture
    def bad(self, who: Mapping[str, Any], clip: Path) -> Bad:
        return [
            *self.unspeakable(who),
            ("synthesize", QwenUtterance(text="Hi.", voice="Vivien"), UnknownVoice, "voice"),
            (
                "synthesize",
                QwenUtterance(text="Hi.", reference_audio_path=clip),
                InvalidRequest,
                "reference_audio_path",
            ),
        ]


class TestFineTuned(QwenContract):
    checkpoint = "fine_tuned"

    @pytest.fixture
    def bad(self, who: Mapping[str, Any]) -> Bad:
        return [("synthesize", QwenUtterance(text="Hi.", voice="vivian"), UnknownVoice, "voice")]


class TestVoiceDesign(QwenContract):
    checkpoint = "voice_design"

    @pytest.fixture
    def who(self) -> Mapping[str, Any]:
        return {"instruct": "an old sailor, hoarse"}

    @pytest.fixture
    def bad(self, who: Mapping[str, Any]) -> Bad:
        return [
            *self.unspeakable(who),
            ("synthesize", QwenUtterance(text="Hi."), InvalidRequest, "instruct"),
            ("synthesize", QwenUtterance(text="Hi.", voice="vivian", **who), InvalidRequest, "voice"),
            ("synthesize", QwenUtterance(text="Hi.", x_vector_only=True), InvalidRequest, "x_vector_only"),
        ]


class TestBase(QwenContract):
    checkpoint = "base"

    @pytest.fixture
    def who(self, clip: Path) -> Mapping[str, Any]:
        return {"reference_audio_path": clip, "reference_text": "two seconds of it"}

    @pytest.fixture
    def bad(self, who: Mapping[str, Any], clip: Path, tmp_path: Path) -> Bad:
        def clone(path: Path) -> QwenUtterance:
            return QwenUtterance(text="Hi.", reference_audio_path=path, x_vector_only=True)

        brief, long = write_tone(tmp_path / "brief.wav", 0.5), write_tone(tmp_path / "long.wav", 61)
        silent, text = write_tone(tmp_path / "silent.wav", 2, amplitude=0), tmp_path / "text.wav"
        text.write_text("no audio at all")
        field = "reference_audio_path"
        wordless = QwenUtterance(text="Hi.", reference_audio_path=clip)
        return [
            *self.unspeakable(who),
            ("synthesize", QwenUtterance(text="Hi."), InvalidRequest, field),
            ("synthesize", QwenUtterance(text="Hi.", voice="vivian", **who), InvalidRequest, "voice"),
            ("synthesize", QwenUtterance(text="Hi.", instruct="gladly", **who), InvalidRequest, "instruct"),
            ("synthesize", wordless, InvalidRequest, "reference_text"),
            ("synthesize", clone(brief), InvalidRequest, field),
            ("synthesize", clone(long), AudioTooLong, field),
            ("synthesize", clone(silent), InvalidRequest, field),
            ("synthesize", clone(text), UnsupportedAudio, field),
            ("synthesize", clone(tmp_path / "nothing.wav"), UnsupportedAudio, field),
        ]


class TestXVectorOnly(TestBase):
    @pytest.fixture
    def who(self, clip: Path) -> Mapping[str, Any]:
        return {"reference_audio_path": clip, "x_vector_only": True}


@pytest.mark.parametrize("variant", ["custom_voice", "voice_design", "base"])
def test_a_checkpoint_says_before_it_is_loaded_what_it_says_then(
    load_qwen: LoadQwen, qwen_checkpoints: dict[str, Path], variant: str
) -> None:
    described = Qwen3Tts.describe(QwenOptions(checkpoint=qwen_checkpoints[variant])).about
    loaded = load_qwen(variant)[1]
    assert described == loaded.model_copy(update={"sample_rate": None})


def test_the_speakers_of_a_checkpoint_are_its_voices(qwen_checkpoints: dict[str, Path]) -> None:
    has_voice = Qwen3Tts.describe(QwenOptions(checkpoint=qwen_checkpoints["custom_voice"])).has_voice
    assert [has_voice(name) for name in ("vivian", "VIVIAN", "nobody")] == [True, True, False]


def test_a_checkpoint_is_described_without_torch(qwen_checkpoints: dict[str, Path]) -> None:
    code = (
        "import sys; from servers.backends.qwen3_tts import Qwen3Tts\n"
        "options = Qwen3Tts.options(checkpoint=sys.argv[1])\n"
        "print(len(Qwen3Tts.describe(options).about.voices) > 0, 'torch' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(qwen_checkpoints["custom_voice"])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "True False\n"
