"""The frame of the page: its tabs and messages, on small screens, and to those who do not see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

import servers.proxy
from tests.proxy.page.conftest import LONGEST_MS
from tests.proxy.page.stand_in_proxy import standing_in
from tests.proxy.page.watched import Complaints, closed

TABS = ["Speak", "Listen", "Align", "Machine"]
SCHEMES = ["light", "dark"]
PAGE = Path(servers.proxy.__file__).with_name("page")

NO_DATABASE = "IDBFactory.prototype.open = () => { throw new DOMException('refused', 'SecurityError'); };"
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.shifts.push(entry.value)))
  .observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def stand_in():
    with standing_in() as stand_in:
        yield stand_in


@contextmanager
def opened(browser, url, *expected, script=None, **options) -> Iterator:
    """A page that complains of nothing but what is expected."""
    complaints = Complaints(url)
    complaints.expect(*expected)
    context = browser.new_context(base_url=url, viewport={"width": 1000, "height": 900}, **options)
    context.set_default_timeout(LONGEST_MS)
    complaints.watch(context)
    if script:
        context.add_init_script(script)
    try:
        yield context.new_page()
    finally:
        closed(context)
    assert not complaints.unexpected, "\n".join(complaints.unexpected)


@pytest.fixture
def page(browser, stand_in):
    with opened(browser, stand_in.url) as page:
        yield page


def selected(page, name):
    expect(page.get_by_role("tab", selected=True)).to_have_text(name)


def tab(page, name):
    return page.get_by_role("tab", name=name, exact=True)


def test_the_arrows_home_and_end_go_from_tab_to_tab(page):
    page.goto("/")
    tab(page, "Speak").focus()
    for key, reached in [
        ("ArrowRight", "Listen"), ("ArrowRight", "Align"), ("End", "Machine"), ("ArrowRight", "Speak"),
        ("ArrowLeft", "Machine"), ("Home", "Speak"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        selected(page, reached)
        expect(tab(page, reached)).to_be_focused()
        expect(page.get_by_role("tabpanel", name=reached)).to_be_visible()
        expect(page.get_by_role("tabpanel")).to_have_count(1)


def test_the_tabs_are_one_stop_of_the_tab_key(page):
    page.goto("/#align")
    expect(page.get_by_label("Text of the recording")).to_be_visible()  # the last stop below
    page.locator(".skip").focus()  # where a hash leads, the first Tab starts at its panel
    page.keyboard.press("Tab")
    expect(tab(page, "Align")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Text of the recording")).to_be_focused()


def test_the_hash_names_the_tab_and_back_goes_to_the_one_before(page):
    page.goto("/#listen")
    selected(page, "Listen")
    tab(page, "Machine").click()
    expect(page).to_have_url(re.compile("/#machine$"))
    page.go_back()
    selected(page, "Listen")
    page.goto("/#nonsense")
    page.reload()
    selected(page, "Speak")


def test_the_skip_link_leads_to_the_content_and_keeps_the_tab(page):
    page.goto("/#listen")
    page.get_by_role("link", name="Skip to the content").press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    selected(page, "Listen")


DROPPED_BESIDE = """() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["words"], "notes.txt"));
  const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  return !document.body.dispatchEvent(drop);
}"""


def test_a_file_that_is_dropped_beside_the_place_for_it_does_not_take_the_page_away(page):
    page.goto("/#listen")
    page.get_by_role("tabpanel", name="Listen").locator(".drop").wait_for()
    assert page.evaluate(DROPPED_BESIDE)


def test_the_title_says_which_tab_it_is(page):
    page.goto("/#machine")
    expect(page).to_have_title("Machine · Skylark")


@pytest.mark.parametrize("name", TABS)
def test_no_tab_can_be_moved_sideways_on_any_screen(page, shots, name):
    page.goto(f"/#{name.lower()}")
    page.get_by_role("tabpanel", name=name).locator("textarea, .drop, .now").first.wait_for()
    shots.take(page, f"shell-{name.lower()}")


@pytest.mark.parametrize("name", TABS)
def test_axe_finds_nothing_in_any_tab(page, axe, name):
    page.goto(f"/#{name.lower()}")
    page.get_by_role("tabpanel", name=name).locator("textarea, .drop, .now").first.wait_for()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        axe(page)


def test_what_has_the_focus_is_seen_in_both_schemes(page):
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.goto("/")
        tab(page, "Speak").focus()
        page.keyboard.press("ArrowRight")
        expect(tab(page, "Listen")).to_be_focused()
        expect(tab(page, "Listen")).to_have_css("outline-style", "solid")
        expect(tab(page, "Listen")).to_have_css("outline-width", "3px")


def test_nothing_moves_where_motion_is_reduced(page):
    page.emulate_media(reduced_motion="reduce")
    page.goto("/#machine")
    page.get_by_role("heading", name="Ready").wait_for()
    assert page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length") == 0


def test_nothing_jumps_while_the_page_fills(browser, stand_in):
    with opened(browser, stand_in.url, script=SHIFTS) as page:
        page.goto("/#machine")
        page.get_by_role("heading", name="Ready").wait_for()
        assert sum(page.evaluate("window.shifts")) < 0.1


def test_a_browser_that_keeps_nothing_is_told_so_once(browser, stand_in):
    with opened(browser, stand_in.url, script=NO_DATABASE) as page:
        page.goto("/")
        toast = page.locator(".toast", has_text="keeps nothing")
        toast.wait_for()
        expect(page.get_by_role("alert")).to_have_text(re.compile("^This browser keeps nothing"))
        expect(toast).to_have_count(1)
        toast.get_by_role("button", name="Put away").press("Enter")
        expect(toast).to_have_count(0)
        expect(page.locator("#content")).to_be_focused()


def test_a_tab_whose_module_does_not_come_says_so_and_the_others_go_on(browser, stand_in):
    with opened(browser, stand_in.url, "console error", "thrown") as page:
        page.route("**/page/listen.js", lambda route: route.abort())
        page.goto("/#listen")
        page.get_by_text("Listen could not be started: reload the page").wait_for()
        tab(page, "Machine").click()
        page.get_by_role("heading", name="Ready").wait_for()


def test_the_page_has_no_script_and_no_style_of_its_own_in_its_markup():
    markup = (PAGE / "index.html").read_text()
    assert "<style" not in markup
    assert " style=" not in markup
    assert markup.count("<script") == markup.count('<script type="module" src=') == 1
