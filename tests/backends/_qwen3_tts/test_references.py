"""Reference clips: remembered by what is in them, forgotten when there are too many."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import soundfile

from servers.backends._qwen3_tts.request import QwenUtterance
from servers.speech import Speech

pytest.importorskip("torch", reason="needs the extra [qwen]")


def reference(size: int):
    import torch

    from servers.backends._qwen3_tts.references import Reference

    return Reference(torch.zeros(size, dtype=torch.uint8), torch.zeros(0))


def test_the_latest_used_are_kept_within_their_bytes(qwen_tts):
    from servers.backends._qwen3_tts.references import ReferenceCache

    kept, made = ReferenceCache(limit_bytes=100), []

    def get(key: str) -> None:
        kept.get(key, lambda: made.append(key) or reference(40))

    for key in ("a", "b", "a", "c", "a", "b"):
        get(key)
    assert made == ["a", "b", "c", "b"]


def test_one_that_is_larger_than_the_whole_room_is_used_and_not_kept(qwen_tts):
    from servers.backends._qwen3_tts.references import ReferenceCache

    kept = ReferenceCache(limit_bytes=10)
    assert kept.get("a", lambda: reference(40)).bytes == 40
    assert kept.get("a", lambda: reference(41)).bytes == 41


def test_a_clip_is_looked_at_once_under_any_name_and_again_when_it_changes(
    load_qwen, clip, tmp_path, monkeypatch
):
    backend = load_qwen("base")[0]
    references = backend._voices._references
    calls, make = [], references._model.create_voice_clone_prompt
    monkeypatch.setattr(
        references._model, "create_voice_clone_prompt", lambda *a, **k: calls.append(a) or make(*a, **k)
    )
    samples, rate = soundfile.read(clip)
    path, copy = tmp_path / "clip.wav", tmp_path / "copy.wav"
    soundfile.write(path, samples * 0.5, rate)
    shutil.copy(path, copy)

    def speak(path) -> None:
        for x_vector_only in (True, False):
            asked = QwenUtterance(
                text="Hi.",
                reference_audio_path=path,
                reference_text="two",
                x_vector_only=x_vector_only,
                max_frames=2,
            )
            *_, (_, speech) = backend.synthesize([asked])
            assert isinstance(speech, Speech)

    speak(path)
    speak(copy)
    assert len(calls) == 1
    soundfile.write(path, samples * 0.25, rate)
    speak(path)
    assert len(calls) == 2


def test_a_clip_at_another_rate_with_two_channels_too_loud_is_a_voice_as_well(load_qwen, tmp_path):
    tone = 1.5 * np.sin(2 * np.pi * 220 * np.arange(88_200) / 44_100)
    soundfile.write(tmp_path / "loud.wav", np.stack([tone, tone], axis=1), 44_100, subtype="FLOAT")
    asked = QwenUtterance(
        text="Hi.", reference_audio_path=tmp_path / "loud.wav", reference_text="two", max_frames=2
    )
    *_, (_, speech) = load_qwen("base")[0].synthesize([asked])
    assert isinstance(speech, Speech)


def test_a_clip_that_is_swapped_while_it_is_looked_at_is_remembered_as_what_it_was(
    load_qwen, clip, tmp_path, monkeypatch
):
    """Or another's voice would be spoken with from then on."""
    from servers.backends._qwen3_tts import references as module

    references = load_qwen("base")[0]._voices._references
    path, other = tmp_path / "clip.wav", tmp_path / "other.wav"
    shutil.copy(clip, path)
    samples, rate = soundfile.read(clip)
    soundfile.write(other, samples[::-1], rate)
    expected = references.of(clip).speaker
    references._kept._by_key.clear()
    measured = module.clip_length_s

    def swap(source, param):
        found = measured(source, param)
        other.replace(path)
        return found

    monkeypatch.setattr(module, "clip_length_s", swap)
    assert references.of(path).speaker.equal(expected)
