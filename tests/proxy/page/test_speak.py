"""The tab Speak: a real text by a real voice, heard in a real browser."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.proxy.page.speaking import SENTENCES, TEXT, Speaking

STARTS = "(spans) => spans.map((span) => span.dataset.start)"
FRAMES = "async () => { for (let n = 0; n < 30; n += 1) await new Promise(requestAnimationFrame); }"
COPIED = """() => {
  getSelection().selectAllChildren(document.querySelector(".reading-text"));
  return getSelection().toString();
}"""
FIND = """(text) => {
  getSelection().collapse(document.querySelector(".reading-text"), 0);
  return window.find(text);
}"""


def lit_as_they_are_said(speaking: Speaking) -> None:
    """Each word that was lit is the last that had begun where the page looked at the player's clock, and they
    come in order; a machine that is busy draws seldom, and leaves some out.
    """
    marks = speaking.page.evaluate("window.marks")
    assert all(due for _, due in marks), marks
    rest = iter(TEXT.split())
    assert all(word in rest for word, _ in marks), marks
    assert len(marks) > 3


def test_the_samples_that_are_heard_are_those_of_the_server_and_words_light_up(speaking):
    """To the last bit and in order, while the context's time moves; each word is there, as it is written, and
    lit while it is said.
    """
    speaking.speak()
    speaking.current.wait_for()
    speaking.until("() => window.player.context.state === 'running'")
    before = speaking.page.evaluate("window.player.context.currentTime")
    speaking.until_heard()
    assert speaking.page.evaluate("window.player.context.currentTime") > before
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    expect(speaking.words).to_have_text(TEXT.split())
    lit_as_they_are_said(speaking)
    assert speaking.page.evaluate(COPIED).split() == TEXT.split()


def test_a_click_on_a_word_seeks_to_it(speaking):
    speaking.speak()
    speaking.pause()
    speaking.until_made()
    word = speaking.words.filter(has_text="somebody")
    word.click()
    start = float(word.get_attribute("data-start"))
    assert speaking.position() == pytest.approx(start, abs=0.001)
    expect(speaking.current).to_have_text("somebody")
    speaking.button("Resume").click()
    speaking.until("(start) => window.player.position > start + 0.1", start)


def test_the_keyboard_seeks_with_the_slider(speaking):
    speaking.speak()
    speaking.current.wait_for()
    speaking.pause()
    speaking.until_made()
    slider = speaking.page.get_by_role("slider", name="Position")
    before = float(slider.input_value())  # of the whole tenth that was heard last
    slider.focus()
    slider.press("ArrowRight")
    assert speaking.position() == pytest.approx(before + 3, abs=0.01)
    slider.press("Home")
    assert speaking.position() == 0
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^0:00 of"))


def test_a_voice_that_does_not_tell_when_its_words_are_said_is_listened_to(speaking):
    """By the real recogniser; the words are those of the text, within the audio, in order."""

    def wordless(route):
        reply = route.fetch()
        route.fulfill(response=reply, body=re.sub(r'"words": ?\[[^\]]*\]', '"words":[]', reply.text()))

    speaking.page.route("**/api/speech*", wordless)
    speaking.speak(SENTENCES[1])
    expect(speaking.words).to_have_text(SENTENCES[1].split())
    starts = [float(each) for each in speaking.words.evaluate_all(STARTS)]
    assert starts == sorted(starts)
    assert 0 < starts[-1] < speaking.page.evaluate("window.player.end")


def test_pause_holds_the_word_and_resume_goes_on(speaking):
    speaking.speak()
    speaking.until("() => window.player?.position > 0.5")
    speaking.pause()
    held = speaking.position()
    word = speaking.current.inner_text()
    speaking.page.evaluate(FRAMES)
    assert speaking.position() == pytest.approx(held, abs=0.001)
    assert speaking.current.inner_text() == word
    speaking.button("Resume").click()
    speaking.until("(held) => window.player.position > held + 0.2", held)


def test_on_plain_http_scheduled_buffers_play_the_same(page):
    page.add_init_script("delete BaseAudioContext.prototype.audioWorklet;")
    speaking = Speaking(page).open()
    speaking.speak()
    speaking.until_heard()
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    lit_as_they_are_said(speaking)


def test_several_voices_speak_in_one_text(speaking):
    speaking.speak("I am first.\n[en-GB-SCOTLAND] I am second.\n[default]\nI am third.")
    speaking.until_heard()
    assert [body.get("voice") for _, _, body in speaking.bodies] == [None, "en-GB-scotland", None]
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    expect(speaking.page.locator("#speak .speaker")).to_have_text(["en-GB-SCOTLAND", "The chosen voice"])


def test_a_sentence_that_fails_says_why_and_the_others_go_on(speaking, complaints, axe, shots):
    complaints.expect("status of 4")
    speaking.speak("One is here.\n[nobody at all] Two is not.\n[default]\nThree is here.")
    speaking.until_heard()
    fault = speaking.page.locator("#speak .fault", has_text="This sentence was not spoken")
    expect(fault).to_contain_text("nobody at all")
    first, _, third = speaking.bodies
    speaking.bodies[:] = [first, third]
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    axe(speaking.page)
    shots.take(speaking.page, "speak-failed")
    speaking.bodies.clear()
    fault.get_by_role("button", name="Try again").click()  # which is away then, and comes again
    fault.get_by_role("button", name="Try again").wait_for()
    assert [body["input"] for _, _, body in speaking.bodies] == ["Two is not."]


def test_after_three_failures_in_a_row_it_pauses_and_says_why(speaking, complaints):
    """Nothing more is asked before somebody presses Resume."""
    complaints.expect("status of 4")
    others = [f"Number {n} is not." for n in range(12)]
    speaking.speak(f"{SENTENCES[1]}\n[nobody at all] {' '.join(others)}")
    speaking.page.locator("#toasts .toast", has_text="The speech has stopped. There is no voice").wait_for()
    speaking.button("Resume").wait_for()
    assert speaking.position() < speaking.page.evaluate("window.player.end")
    asked = len(speaking.bodies)
    assert asked < 1 + len(others)
    speaking.page.evaluate(
        "async () => { for (let n = 0; n < 30; n += 1) await new Promise(requestAnimationFrame); }"
    )
    assert len(speaking.bodies) == asked
    with speaking.page.expect_request("**/api/speech*"):
        speaking.button("Resume").click()


def test_voice_language_and_speed_go_with_the_request_and_stay(speaking):
    voice = speaking.page.get_by_role("combobox", name="Voice", exact=True)
    option = voice.locator("option", has_text="de").first
    option.wait_for(state="attached")
    voice.select_option(value='["espeak/espeak-ng","de"]')
    speaking.page.get_by_role("combobox", name="Speed of speech").select_option("1.5")
    speaking.speak("Guten Tag.")
    speaking.until_made(1)
    speaking.speak("Auf Wiedersehen.")
    speaking.until_heard()
    (_, _, body), *_ = speaking.bodies
    assert (body["voice"], body["model"], body["speed"]) == ("de", "espeak/espeak-ng", 1.5)
    speaking.open()
    expect(voice).to_have_value('["espeak/espeak-ng","de"]')
    expect(speaking.page.get_by_role("textbox", name="Style")).to_be_disabled()
    expect(speaking.page.get_by_text("This voice speaks in one style only.")).to_be_visible()


def test_a_text_without_words_and_one_of_a_megabyte_have_their_sentence(speaking):
    speaking.text.fill("  ")
    speaking.button("Speak").click()
    speaking.page.get_by_text("There is nothing to say yet").wait_for()
    speaking.text.evaluate("(area) => { area.value = 'word '.repeat(210000); }")
    speaking.button("Speak").click()
    speaking.page.get_by_text("1,050,000 characters, and 300,000 are possible at once").wait_for()
    assert speaking.bodies == []


def test_of_three_thousand_words_two_change_at_once_and_one_that_is_looked_for_is_seen(speaking):
    text = "\n\n".join(
        " ".join(f"Number {n} of paragraph {p} is short and plain." for n in range(16)) for p in range(24)
    )
    assert len(text.split()) > 3000
    speaking.page.evaluate(
        """() => {
          window.most = 0;
          new MutationObserver((changes) => (window.most = Math.max(window.most, changes.length)))
            .observe(document.getElementById("speak"), { subtree: true, attributeFilter: ["aria-current"] });
        }"""
    )
    speaking.speak(text)
    speaking.until("() => window.player?.position > 3 && window.most >= 1")
    assert speaking.page.evaluate("window.most") <= 2
    expect(speaking.page.locator("#speak .sentence")).to_have_count(24 * 16)
    speaking.pause()
    assert speaking.page.evaluate(FIND, "Number 0 of paragraph 20")
    speaking.page.evaluate(FRAMES)
    found = speaking.page.locator("#speak .sentence", has_text="Number 0 of paragraph 20")
    assert 0 < found.bounding_box()["y"] < speaking.page.viewport_size["height"]


def test_the_tab_has_no_barriers_and_looks_as_it_should(speaking, axe, shots):
    axe(speaking.page)
    shots.take(speaking.page, "speak-empty")
    speaking.speak()
    speaking.pause()
    speaking.until_made()
    speaking.words.filter(has_text="clocks").click()
    axe(speaking.page)
    shots.take(speaking.page, "speak-paused")
