"""Several windows of one browser on the tab Speak: each has a text of its own, and none is lost with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.proxy.page.speaking import SENTENCES, Speaking

LEFT = 8
"""So many texts of windows that are gone wait for the next one."""
FILL = """async (count) => {
  const { keep } = await import("/page/keep.js");
  for (let n = 0; n < count; n += 1) {
    const [name, take] = [`left-${n}`, { id: `take-${n}`, key: `key-${n}`, seed: null, state: "failed" }];
    const sentence = { text: "Hello.", voice: null, paragraph: 0, body: { input: "Hello." } };
    await keep.put("takes", take.id, take);
    await keep.put("scripts", name, { text: `Text ${n}.`, sentences: [{ ...sentence, take: take.id }] });
    const place = { index: 0, offsetS: 0 };
    await keep.put("scripts", `${name}/place`, { place, running: false, blank: n === 1, savedAt: n });
  }
}"""
KEPT = """async (store) => (await import("/page/keep.js")).keep.keys(store)"""


@pytest.fixture
def window(page: Page) -> Callable[[], Speaking]:
    """Opens another window of the same browser."""
    return lambda: Speaking(page.context.new_page()).open()


def expect_text(speaking: Speaking, text: str) -> None:
    expect(speaking.page.get_by_role("textbox", name="Text")).to_have_value(text)


def spoken(speaking: Speaking, text: str) -> None:
    speaking.speak(text)
    speaking.until_heard()
    expect(speaking.words).to_have_text(text.split())


def test_each_window_has_a_text_of_its_own_also_after_a_reload(window):
    texts = [SENTENCES[0], SENTENCES[2]]
    windows = [window(), window()]
    for each, text in zip(windows, texts, strict=True):
        spoken(each, text)
    for each in windows:
        each.bodies.clear()
        each.open()
    for each, text in zip(windows, texts, strict=True):
        expect_text(each, text)
        each.until_made(1)
        expect(each.words).to_have_text(text.split())
        each.button("Play").click()
        each.until_heard()
        assert each.bodies == []


def test_the_text_of_a_window_that_is_closed_is_found_by_the_next_one(window):
    first, second = window(), window()
    spoken(first, SENTENCES[0])
    spoken(second, SENTENCES[2])
    first.page.close(run_before_unload=True)
    second.page.wait_for_function("async () => (await navigator.locks.query()).held.length === 1")
    third = window()
    expect_text(third, SENTENCES[0])
    third.until_made(1)
    expect(third.words).to_have_text(SENTENCES[0].split())
    expect_text(window(), "")
    expect_text(second, SENTENCES[2])


def test_a_copy_of_a_window_begins_with_nothing_at_once(page, window):
    """Its session is a copy too, and says that the text is its own. Here a wait for a text has no end."""
    page.context.add_init_script("AbortSignal.timeout = () => new AbortController().signal;")
    first = window()
    spoken(first, SENTENCES[0])
    with first.page.expect_popup() as popup:
        first.page.evaluate("window.open('/#speak')")
    copy = Speaking(popup.value)
    copy.button("Speak").wait_for()
    expect_text(copy, "")
    first.open()
    expect_text(first, SENTENCES[0])


def test_of_many_texts_that_were_left_the_last_ones_stay_and_the_others_go_with_their_takes(window):
    """So does one without a text; of those that stay the last is taken up."""
    window().page.evaluate(FILL, LEFT + 4)
    second = window()
    expect_text(second, f"Text {LEFT + 3}.")
    stay = {f"left-{n}" for n in range(3, LEFT + 4)}
    assert {key for key in second.page.evaluate(KEPT, "scripts") if key.startswith("left")} == {
        key for name in stay for key in (name, f"{name}/place")
    }
    assert set(second.page.evaluate(KEPT, "takes")) == {name.replace("left", "take") for name in stay}


def test_without_locks_all_windows_have_the_text_that_was_written_last(page, window):
    """As on plain http."""
    page.context.add_init_script("delete Navigator.prototype.locks;")
    first, second = window(), window()
    spoken(first, SENTENCES[0])
    spoken(second, SENTENCES[2])
    first.page.close(run_before_unload=True)
    second.open()
    expect_text(second, SENTENCES[2])
