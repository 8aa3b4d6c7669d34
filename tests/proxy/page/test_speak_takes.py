"""The tab Speak: a sentence said again, and what was spoken as files."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect

from tests.proxy.page.speaking import RATE, SENTENCES, TEXT


def test_downloads_are_the_files_that_they_say(speaking):
    speaking.speak()
    samples, rate = soundfile.read(io.BytesIO(speaking.downloaded("wav")), dtype="int16")
    expected = np.concatenate(speaking.server_said())
    assert rate == RATE
    assert np.array_equal(samples, expected)
    heard, rate = soundfile.read(io.BytesIO(speaking.downloaded("mp3")))
    assert len(heard) / rate == pytest.approx(len(expected) / RATE, abs=0.2)
    srt = speaking.downloaded("srt").decode()
    assert srt.startswith("1\n00:00:0")
    assert "striking." in srt
    assert speaking.downloaded("vtt").decode().startswith("WEBVTT")


def test_a_zip_has_every_sentence_and_the_text(speaking):
    speaking.speak()
    with zipfile.ZipFile(io.BytesIO(speaking.downloaded("zip"))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[0] == "0001 Good morning and welcome.wav"
        assert archive.read("text.txt").decode().splitlines() == SENTENCES
        for name, expected in zip(names, speaking.server_said(), strict=False):
            samples, _ = soundfile.read(io.BytesIO(archive.read(name)), dtype="int16")
            assert np.array_equal(samples, expected)


def test_one_sentence_can_be_downloaded_alone(speaking):
    speaking.speak()
    speaking.pause()
    speaking.until_made()
    speaking.words.filter(has_text="Nobody").click()
    samples, _ = soundfile.read(io.BytesIO(speaking.downloaded("wav", "one")), dtype="int16")
    assert np.array_equal(samples, speaking.server_said()[2])


def test_a_sentence_is_said_again_and_the_new_take_kept_or_taken_back(speaking):
    """The new one has a name and lots of its own, and is heard; taken back, the one before is there again."""
    speaking.speak(SENTENCES[0])
    speaking.until_heard()
    speaking.plays_by("Say again")
    speaking.until_heard()
    first, second = speaking.bodies
    assert first[1] != second[1]
    assert "seed" not in first[2]
    assert isinstance(second[2]["seed"], int)
    speaking.button("Take back").click()
    speaking.button("Take back").wait_for(state="hidden")
    speaking.plays_by("Resume")
    speaking.until_heard()
    speaking.plays_by("Say again")
    speaking.button("Keep").click()
    speaking.button("Keep").wait_for(state="hidden")
    speaking.until_heard()
    speaking.plays_by("Speak")
    speaking.until_heard()
    assert len(speaking.bodies) == 3


def test_a_new_take_can_be_judged_once_the_next_sentence_has_begun(speaking):
    speaking.speak()
    speaking.pause()
    speaking.until_made()
    speaking.words.filter(has_text="morning").click()
    speaking.page.evaluate("window.marks.length = 0")
    speaking.plays_by("Say again")
    speaking.button("Take back").wait_for()
    speaking.until("() => window.marks.some(([word]) => word.startsWith('bright'))")
    speaking.page.get_by_text("Sentence 1 of 4").wait_for()
    speaking.button("Take back").click()
    speaking.button("Take back").wait_for(state="hidden")


def test_what_was_spoken_just_so_is_not_made_again(speaking):
    """Of a text that was changed only what is new is asked for; another speed makes all anew."""
    speaking.speak()
    speaking.until_heard()
    speaking.bodies.clear()
    speaking.speak(TEXT.replace("Nobody", "Somebody"))
    speaking.until_heard()
    assert [body["input"] for _, _, body in speaking.bodies] == ["Somebody was there."]
    words = TEXT.replace("Nobody", "Somebody").split()
    expect(speaking.words).to_have_text(words)
    speaking.page.get_by_role("combobox", name="Speed of speech").select_option("2")
    speaking.bodies.clear()
    speaking.speak("Nobody was there.")
    speaking.until_heard()
    assert [body["speed"] for _, _, body in speaking.bodies] == [2]
