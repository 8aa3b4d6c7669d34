"""The tab Speak: a real text by a real voice, heard in a real browser."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.proxy.page.speaking import CURRENT, SENTENCES, TEXT, Speaking

STARTS = "(spans) => spans.map((span) => span.dataset.start)"


def test_the_samples_that_are_heard_are_those_of_the_server(speaking):
    """To the last bit and in order, while the context's time moves; each word is there, as it is written."""
    speaking.speak()
    speaking.page.locator(CURRENT).wait_for()
    before = speaking.page.evaluate("[window.player.context.state, window.player.context.currentTime]")
    speaking.until_heard()
    assert before[0] == "running"
    assert speaking.page.evaluate("window.player.context.currentTime") > before[1]
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    assert speaking.words() == TEXT.split()


def test_words_light_up_in_order_and_at_their_time(speaking):
    """Each once, never before its time, and half of them and more within 60 ms of it by the player's clock: a
    machine that is busy draws late, and that is not the page's doing.
    """
    speaking.speak()
    speaking.until_heard()
    marks = speaking.page.evaluate("window.marks")
    words = [word for word, _, _ in marks]
    assert len(words) > 0.8 * len(TEXT.split())
    rest = iter(TEXT.split())
    assert all(word in rest for word in words)
    late = sorted(position - start for _, start, position in marks)
    assert late[0] >= -0.001
    assert late[len(late) // 2] < 0.06


def test_a_click_on_a_word_seeks_to_it(speaking):
    speaking.speak()
    speaking.until_made()
    speaking.button("Pause").click()
    speaking.button("Resume").wait_for()
    word = speaking.page.locator("#speak [data-start]", has_text="somebody")
    word.click()
    start = float(word.get_attribute("data-start"))
    assert speaking.position() == pytest.approx(start, abs=0.001)
    assert speaking.page.locator(CURRENT).inner_text() == "somebody"
    speaking.button("Resume").click()
    speaking.until("(start) => window.player.position > start + 0.1", start)


def test_the_keyboard_seeks_with_the_slider(speaking):
    speaking.speak()
    speaking.until_made()
    speaking.button("Pause").click()
    speaking.button("Resume").wait_for()
    slider = speaking.page.get_by_role("slider", name="Position")
    before = speaking.position()
    slider.focus()
    slider.press("ArrowRight")
    assert speaking.position() == pytest.approx(before + 3, abs=0.11)
    slider.press("Home")
    assert speaking.position() == 0
    assert "of" in slider.get_attribute("aria-valuetext")


def test_a_voice_that_does_not_tell_when_its_words_are_said_is_listened_to(speaking):
    """By the real recogniser; the words are those of the text, within the audio, in order."""

    def wordless(route):
        reply = route.fetch()
        route.fulfill(response=reply, body=re.sub(r'"words": ?\[[^\]]*\]', '"words":[]', reply.text()))

    speaking.page.route("**/api/speech*", wordless)
    speaking.speak(SENTENCES[1])
    speaking.page.locator("#speak [data-start]").first.wait_for()
    assert speaking.words() == SENTENCES[1].split()
    starts = [float(each) for each in speaking.page.locator("#speak [data-start]").evaluate_all(STARTS)]
    assert starts == sorted(starts)
    assert 0 < starts[-1] < speaking.page.evaluate("window.player.end")


def test_pause_holds_the_word_and_resume_goes_on(speaking):
    speaking.speak()
    speaking.until("() => window.player?.position > 0.5")
    speaking.button("Pause").click()
    speaking.button("Resume").wait_for()
    held = speaking.position()
    word = speaking.page.locator(CURRENT).inner_text()
    speaking.page.evaluate(
        "async () => { for (let n = 0; n < 30; n += 1) await new Promise(requestAnimationFrame); }"
    )
    assert speaking.position() == pytest.approx(held, abs=0.001)
    assert speaking.page.locator(CURRENT).inner_text() == word
    speaking.button("Resume").click()
    speaking.until("(held) => window.player.position > held + 0.2", held)


def test_on_plain_http_scheduled_buffers_play_the_same(page):
    page.add_init_script("delete BaseAudioContext.prototype.audioWorklet;")
    speaking = Speaking(page).open()
    speaking.speak()
    speaking.page.locator(CURRENT).wait_for()
    speaking.until_heard()
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    late = sorted(position - start for _, start, position in page.evaluate("window.marks"))
    assert late[0] >= -0.001
    assert late[len(late) // 2] < 0.06


def test_several_voices_speak_in_one_text(speaking):
    speaking.speak("I am first.\n[en-GB-SCOTLAND] I am second.\n[default]\nI am third.")
    speaking.until_heard()
    assert [body.get("voice") for _, _, body in speaking.bodies] == [None, "en-GB-scotland", None]
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    assert speaking.page.locator("#speak .speaker").all_inner_texts() == [
        "EN-GB-SCOTLAND",
        "THE CHOSEN VOICE",
    ]


def test_a_sentence_that_fails_says_why_and_the_others_go_on(speaking, complaints, axe, shots):
    complaints.expect("status of 4")
    speaking.speak("One is here.\n[nobody at all] Two is not.\n[default]\nThree is here.")
    speaking.until_heard()
    fault = speaking.page.locator("#speak .fault", has_text="This sentence was not spoken")
    assert "nobody at all" in fault.inner_text()
    first, _, third = speaking.bodies
    speaking.bodies[:] = [first, third]
    assert np.array_equal(speaking.given(), np.concatenate(speaking.server_said()))
    axe(speaking.page)
    shots.take(speaking.page, "speak-failed")
    speaking.bodies.clear()
    fault.get_by_role("button", name="Try again").click()
    speaking.until("() => document.querySelector('#speak .fault button')")
    assert [body["input"] for _, _, body in speaking.bodies] == ["Two is not."]


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
    assert speaking.page.get_by_role("textbox", name="Style").is_disabled()
    assert speaking.page.get_by_text("This voice speaks in one style only.").is_visible()


def test_a_text_without_words_and_one_of_a_megabyte_have_their_sentence(speaking):
    speaking.speak("  ")
    speaking.page.get_by_text("There is nothing to say yet").wait_for()
    speaking.page.get_by_role("textbox", name="Text").evaluate(
        "(area) => { area.value = 'word '.repeat(210000); }"
    )
    speaking.button("Speak").click()
    speaking.page.get_by_text("1,050,000 characters, and 300,000 are possible at once").wait_for()
    assert speaking.bodies == []


def test_of_three_thousand_words_two_change_at_once(speaking):
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
    speaking.until("() => window.player?.position > 6")
    assert 1 <= speaking.page.evaluate("window.most") <= 2
    assert speaking.page.locator("#speak .sentence").count() == 24 * 16


def test_the_tab_has_no_barriers_and_looks_as_it_should(speaking, axe, shots):
    axe(speaking.page)
    shots.take(speaking.page, "speak-empty")
    speaking.speak()
    speaking.until_made()
    speaking.button("Pause").click()
    speaking.page.locator("#speak [data-start]", has_text="clocks").click()
    axe(speaking.page)
    shots.take(speaking.page, "speak-paused")
