"""The tab Align, with real recordings and a real aligner."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Locator, expect

from tests.proxy.page.conftest import SAID
from tests.proxy.page.watched import requests_of, until

OTHER = "Please bring two tickets, a map of the city, and something warm to drink."
KEPT = """async (text) => {
  const { keep } = await import("/page/keep.js");
  return (await keep.get("settings", "align text")) === text;
}"""


@pytest.fixture
def align(page):
    page.goto("/#align")
    page.get_by_role("heading", name="Earlier").wait_for()
    return page.locator("#align")


def words(align) -> Locator:
    return align.locator(".words [data-start]")


def starts_of(words: Locator) -> list[float]:
    return [float(start) for start in words.evaluate_all("(spans) => spans.map((s) => s.dataset.start)")]


def aligned(align, text, recording) -> list[str]:
    align.get_by_role("textbox", name="Text of the recording").fill(text)
    align.locator("input[type=file]").set_input_files(recording)
    align.get_by_role("heading", name="news.wav").wait_for()
    align.get_by_role("button", name="Align", exact=True).click()
    words(align).first.wait_for()
    return words(align).all_text_contents()


def test_each_word_of_a_text_has_its_time(page, align, recording, axe, shots):
    shots.take(page, "align-empty")
    assert aligned(align, SAID, recording) == SAID.split()
    starts = starts_of(words(align))
    assert starts == sorted(starts)
    expect(align.locator(".unfit[data-start]")).to_have_count(0)
    axe(page)
    shots.take(page, "align-fits")


def test_words_that_do_not_fit_the_recording_are_marked_and_named(page, align, recording, axe, shots):
    aligned(align, SAID.replace("two tickets", "purple elephants"), recording)
    unfit = align.locator(".unfit[data-start]").all_text_contents()
    assert "elephants," in unfit
    assert len(unfit) <= 3
    named = align.get_by_role("button", name="elephants,", exact=True)
    named.focus()
    page.keyboard.press("Enter")
    (start,) = starts_of(words(align).filter(has_text="elephants"))
    align.locator("[data-start][aria-current=true]").wait_for()
    until(page, "(start) => document.querySelector('#align audio').currentTime >= start - 0.01", start)
    axe(page)
    shots.take(page, "align-unfit")


def test_a_text_that_is_not_what_is_said_has_its_warning(page, align, recording, axe, shots):
    aligned(align, OTHER, recording)
    expect(align.locator(".notice.warn:visible")).to_contain_text("does not fit")
    axe(page)
    shots.take(page, "align-warned")


def test_what_is_still_needed_is_said(page, align, recording):
    expect(align.get_by_text("Still needed: the text and a recording.")).to_be_visible()
    align.get_by_role("button", name="Align", exact=True).click()
    page.get_by_text("To align, give the text and a recording.").first.wait_for()
    align.get_by_role("textbox", name="Text of the recording").fill(SAID)
    expect(align.get_by_text("Still needed: a recording.")).to_be_visible()
    align.locator("input[type=file]").set_input_files(recording)
    expect(align.get_by_text("Still needed")).to_have_count(0)


def test_a_text_that_is_too_long_has_its_sentence_before_it_is_sent(page, align, recording):
    asked = requests_of(page)
    align.get_by_role("textbox", name="Text of the recording").fill("word " * 200_000)
    align.locator("input[type=file]").set_input_files(recording)
    align.get_by_role("heading", name="news.wav").wait_for()
    align.get_by_role("button", name="Align", exact=True).click()
    sentence = re.compile("The text has 999,999 characters, and [0-9,]+ are aligned at most")
    page.get_by_text(sentence).first.wait_for()
    page.evaluate("fetch('/api/queue')")
    assert "queue" in asked
    assert "align" not in asked


def test_the_text_the_recording_and_the_words_are_there_after_a_reload(page, align, recording):
    told = aligned(align, SAID, recording)
    until(page, KEPT, SAID)
    page.reload()
    expect(words(align)).to_have_text(told)
    expect(align.get_by_role("textbox", name="Text of the recording")).to_have_value(SAID)
    expect(align.get_by_text("Still needed")).to_be_hidden()


def test_what_is_deleted_is_needed_again(page, align, recording):
    aligned(align, SAID, recording)
    align.get_by_role("button", name="Delete news.wav").click()
    align.get_by_text("Still needed: a recording.").wait_for()


def test_an_alignment_leaves_as_a_file(page, align, recording):
    aligned(align, SAID, recording)
    with page.expect_download() as download:
        align.get_by_role("button", name="Download json").click()
    told = json.loads(download.value.path().read_text())
    assert download.value.suggested_filename == "news.json"
    assert (told["text"], told["warning"]) == (SAID, None)
    with page.expect_download() as download:
        align.get_by_role("button", name="Download vtt").click()
    assert "Good morning" in download.value.path().read_text()


def test_what_listen_has_heard_and_a_reader_has_edited_goes_to_align(page, recording):
    page.goto("/#listen")
    listen, align = page.locator("#listen"), page.locator("#align")
    listen.locator("input[type=file]").set_input_files(recording)
    listen.get_by_role("button", name=re.compile("Edit what is said")).first.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("Good morning, and welcome.")
    page.keyboard.press("Enter")
    listen.get_by_role("button", name="Use this in Align").click()
    expect(page.get_by_role("tab", name="Align")).to_be_focused()
    expect(page.get_by_role("tab", name="Align")).to_have_attribute("aria-selected", "true")
    for n, word in enumerate(["Good", "morning,", "and", "welcome."]):
        expect(words(align).nth(n)).to_have_text(word)
