"""The tab Machine in each of its states, its queue and costs, and the sign that other pages embed."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.cli.stand_in_machine import Machine
from tests.proxy.page.stand_in_proxy import StandInProxy, fault, page_with_sign, standing_in
from tests.proxy.page.test_shell import opened

HEARS = """() => {
  window.heard = new Promise((done) =>
    document.addEventListener("statuschange", (event) => done(event.detail.state)));
}"""
NOW = time.time()
MODELS = [
    {"name": "1.7b-custom", "state": "ready", "vram_mb": 6100, "pinned": True},
    {"name": "large-v3", "state": "loading", "vram_mb": 800, "pinned": False},
    {"name": "espeak-ng", "state": "unloaded", "vram_mb": 0, "pinned": False},
]


def job(number: int, status: str, **fields):
    return {
        "id": f"job-{number}", "task": "synthesize", "model": "espeak-ng", "status": status, "priority": 10,
        "progress": None, "created_at": NOW - 60, "started_at": NOW - 30 if status != "queued" else None,
        "finished_at": None if status in ("queued", "running") else NOW - 5, "own": True,
    } | fields  # fmt: skip


@pytest.fixture
def stand_in():
    with standing_in(machine=Machine()) as stand_in:
        yield stand_in


@pytest.fixture
def page(browser, stand_in):
    with opened(browser, stand_in.url) as page:
        yield page


def pill(page):
    return page.locator("skylark-status [role=status]")


def heading(page, name):
    return page.get_by_role("tabpanel").get_by_role("heading", name=name, exact=True)


def test_a_machine_that_is_off_is_started_and_followed_until_it_is_ready(page, stand_in: StandInProxy):
    page.goto("/#machine")
    heading(page, "Off").wait_for()
    assert stand_in.machine
    page.get_by_role("button", name="Start the machine").click()
    heading(page, "Starting").wait_for()
    stages = page.get_by_role("list", name="Stages of the start").get_by_role("listitem")
    expect(stages).to_have_count(5)
    expect(stages.nth(0)).to_contain_text("of 20 s")
    expect(stages.nth(1)).to_contain_text("usually 1 min 00 s")
    expect(page.get_by_text("About 2 min")).to_be_visible()
    stand_in.machine.answer("GET", "/machine", "", b"")
    stand_in.told()
    expect(stages.nth(0)).to_contain_text("done")
    expect(pill(page)).to_have_text("Starting Booting")
    stand_in.told(machine=Machine(state="ready", stage=5))
    heading(page, "Ready").wait_for()
    expect(page.get_by_role("button", name="Start the machine")).to_have_count(0)
    expect(stages).to_have_count(0)
    assert stand_in.asked.count("POST /api/start") == 1


def test_after_the_start_the_focus_is_where_the_state_is_told(page):
    page.goto("/#machine")
    page.get_by_role("button", name="Start the machine").press("Enter")
    expect(heading(page, "Starting")).to_be_focused()


def test_a_start_that_is_refused_says_why_and_can_be_tried_again(browser, stand_in, monkeypatch):
    monkeypatch.setattr(
        stand_in, "_start", lambda: fault(503, "no_room", "The group has no room: raise its size.")
    )
    with opened(browser, stand_in.url, "Failed to load resource.*503") as page:
        page.goto("/#machine")
        button = page.get_by_role("button", name="Start the machine")
        button.click()
        expect(page.get_by_role("alert")).to_have_text("The group has no room: raise its size.")
        expect(button).to_be_enabled()


def test_a_start_that_has_failed_says_why_and_offers_another(page, stand_in):
    stand_in.told(machine=Machine(state="failed"))
    page.goto("/#machine")
    heading(page, "Failed").wait_for()
    expect(
        page.get_by_text("no capacity for g5.xlarge in any zone for 2 hours: ask for another type")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Start the machine")).to_be_visible()


def test_who_may_not_start_it_is_told_so_and_has_no_button(page, stand_in):
    stand_in.told(may_start=False)
    page.goto("/#machine")
    expect(page.get_by_text("has not allowed its visitors to start the machine")).to_be_visible()
    expect(page.get_by_role("button", name="Start the machine")).to_have_count(0)


def test_what_it_costs_is_told_and_what_is_not_known_is_no_zero(page, stand_in):
    stand_in.told(machine=Machine(state="ready", stage=5))
    page.goto("/#machine")
    costs = page.get_by_role("region", name="Costs")
    expect(costs.locator("dd").nth(0)).to_have_text("$0.42")
    expect(costs.locator("dd").nth(1)).to_have_text("$0.40")
    expect(costs.locator("dd").nth(2)).to_have_text("$12.30")
    expect(costs.locator("dd").nth(3)).to_have_text("—not known")


def test_an_appliance_on_ones_own_machine_has_no_costs_and_no_start(page, stand_in):
    stand_in.told(machine=None, state="ready")
    page.goto("/#machine")
    heading(page, "Ready").wait_for()
    expect(heading(page, "This machine")).to_be_visible()
    expect(page.get_by_text("$")).to_have_count(0)
    expect(page.get_by_role("button", name="Start the machine")).to_have_count(0)


def test_the_queue_is_shown_as_it_is_and_as_it_changes(page, stand_in):
    stand_in.told(
        machine=None,
        jobs=[job(1, "running", progress=0.4, priority=0), job(2, "queued"), job(3, "done", own=False)],
    )
    page.goto("/#machine")
    rows = page.get_by_role("table", name="Queue").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("running")
    expect(rows.nth(0)).to_contain_text("40 %")
    expect(rows.nth(0).get_by_role("progressbar")).to_have_js_property("value", 0.4)
    expect(rows.nth(1)).to_contain_text("waits")
    expect(rows.nth(2)).to_contain_text("took 25 s")
    expect(rows.nth(2)).not_to_contain_text("yours")
    expect(page.get_by_text("1 running, 1 waiting")).to_be_visible()
    stand_in.told(jobs=[job(2, "running"), job(1, "done")])
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("running")
    stand_in.told(jobs=[])
    expect(page.get_by_text("Nothing in hand")).to_be_visible()
    expect(page.get_by_text("Speak a text or drop a recording")).to_be_visible()


def test_a_job_is_cancelled_by_the_keyboard_and_the_focus_is_not_lost(page, stand_in):
    stand_in.told(machine=None, jobs=[job(1, "running"), job(2, "queued")])
    page.goto("/#machine")
    rows = page.get_by_role("table", name="Queue").locator("tbody tr")
    rows.nth(1).get_by_role("button", name="Cancel Speak, espeak-ng").press("Enter")
    expect(rows.nth(1)).to_contain_text("cancelled")
    expect(rows.nth(1).get_by_role("button")).to_have_count(0)
    expect(heading(page, "Queue")).to_be_focused()
    assert "DELETE /api/queue/job-2" in stand_in.asked


def test_a_change_elsewhere_in_the_queue_leaves_the_focus_where_it_is(page, stand_in):
    stand_in.told(machine=None, jobs=[job(1, "running"), job(2, "queued")])
    page.goto("/#machine")
    button = page.get_by_role("table", name="Queue").locator("tbody tr").nth(1).get_by_role("button")
    button.focus()
    stand_in.told(jobs=[job(1, "running", progress=0.5), job(2, "queued"), job(3, "queued")])
    expect(page.get_by_text("50 %")).to_be_visible()
    expect(button).to_be_focused()


@pytest.mark.parametrize(("is_public", "buttons"), [(True, 1), (False, 2)])
def test_others_jobs_are_cancelled_only_where_it_is_not_public(page, stand_in, is_public, buttons):
    stand_in.told(machine=None, is_public=is_public, jobs=[job(1, "running"), job(2, "queued", own=False)])
    page.goto("/#machine")
    expect(page.get_by_role("table", name="Queue").get_by_role("button")).to_have_count(buttons)


def test_resident_models_are_told_with_their_memory(page, stand_in):
    stand_in.told(machine=None, models=MODELS)
    page.goto("/#machine")
    models = page.get_by_role("region", name="Models")
    expect(models.get_by_role("listitem").nth(0)).to_have_text(
        re.compile(r"1\.7b-custom\s*resident\s*6\.1 GB · pinned")
    )
    expect(models.get_by_role("listitem").nth(1)).to_have_text(re.compile(r"large-v3\s*loading\s*800 MB"))
    expect(models).to_contain_text("Not loaded: espeak-ng.")
    expect(page.get_by_text("espeak-ng speaks (espeak), espeak-ng listens (espeak).")).to_be_visible()


def test_where_no_queue_can_be_seen_nobody_is_told_to_wait_for_it(page, stand_in):
    stand_in.told(machine=None, has_queue=False)
    page.goto("/#machine")
    expect(page.get_by_text("The queue cannot be seen from here")).to_be_visible()
    expect(page.get_by_text("Which models are resident cannot be seen from here.")).to_be_visible()
    expect(page.get_by_text("as soon as the machine answers")).to_have_count(0)


def test_what_the_queue_was_is_not_shown_of_a_machine_that_is_off(page, stand_in):
    stand_in.told(machine=Machine(state="ready", stage=5), jobs=[job(1, "running")], models=MODELS)
    page.goto("/#machine")
    expect(page.get_by_role("table", name="Queue")).to_be_visible()
    stand_in.told(machine=Machine())
    expect(page.get_by_text("The queue is not seen now")).to_be_visible()
    expect(page.get_by_text("Which models are resident is shown as soon as")).to_be_visible()
    expect(page.get_by_role("table", name="Queue")).to_be_hidden()


def test_a_connection_that_is_lost_is_told_and_found_again(browser, stand_in):
    stand_in.told(machine=None)
    with opened(browser, stand_in.url, "Failed to load resource.*502") as page:
        page.goto("/#machine")
        heading(page, "Ready").wait_for()
        stand_in.told(away=True)
        expect(page.get_by_text("The connection to the server is lost.")).to_be_visible()
        expect(pill(page)).to_have_text("No connection")
        stand_in.told(away=False, state="busy")
        expect(heading(page, "Busy")).to_be_visible()
        expect(page.get_by_text("The connection to the server is lost.")).to_be_hidden()


def test_a_server_that_is_not_there_at_first_is_told_and_found(browser, stand_in):
    stand_in.told(away=True)
    with opened(browser, stand_in.url, "Failed to load resource.*502") as page:
        page.goto("/#machine")
        expect(page.get_by_text("The connection to the server is lost.")).to_be_visible()
        stand_in.told(away=False)
        expect(page.get_by_role("button", name="Start the machine")).to_be_visible()


def test_the_seconds_that_are_left_are_seen_and_not_read_out_one_by_one(page, stand_in):
    stand_in.told(machine=Machine(state="starting", stage=1))
    page.goto("/")
    left = page.locator("skylark-status .left")
    expect(left).to_have_text(re.compile(r"^2\smin\s\d\d\ss$"))
    expect(left).to_have_attribute("aria-hidden", "true")
    expect(pill(page)).to_have_text("Starting Booting")


def test_the_pill_reads_out_a_change_of_state_and_not_each_job(page, stand_in):
    stand_in.told(machine=None, state="ready")
    page.goto("/")
    expect(pill(page)).to_have_text("Ready")
    stand_in.told(state="busy")
    expect(pill(page)).to_have_text("Busy")
    expect(pill(page)).to_have_attribute("aria-live", "off")
    stand_in.told(state="unreachable")
    expect(pill(page)).to_have_text("Unreachable")
    expect(pill(page)).to_have_attribute("aria-live", "polite")


def test_another_page_embeds_the_sign_and_hears_of_changes(browser, stand_in):
    there = {"elsewhere": page_with_sign(stand_in.url)}
    with standing_in(pages=there) as other, opened(browser, other.url, "request to another origin") as page:
        page.goto("/elsewhere")
        expect(pill(page)).to_have_text("Off")
        page.evaluate(HEARS)
        stand_in.told(machine=Machine(state="ready", stage=5))
        assert page.evaluate("window.heard") == "ready"
        expect(pill(page)).to_have_text("Ready")


def test_the_page_and_its_sign_share_one_connection(page, stand_in):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/#machine")
    heading(page, "Off").wait_for()
    assert sum(url.endswith("/api/events") for url in asked) == 1


def test_two_pages_share_one_connection_and_the_second_goes_on_alone(browser, stand_in):
    with opened(browser, stand_in.url) as first:
        asked = []
        first.context.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
        first.goto("/#machine")
        heading(first, "Off").wait_for()
        second = first.context.new_page()
        second.goto("/#machine")
        heading(second, "Off").wait_for()
        assert asked.count("events") == 1
        stand_in.told(machine=Machine(state="starting", stage=1))
        heading(second, "Starting").wait_for()
        first.close()
        stand_in.told(machine=Machine(state="ready", stage=5))
        heading(second, "Ready").wait_for()
        assert asked.count("events") == 2


def test_a_page_that_hears_from_another_is_told_of_a_lost_connection_too(browser, stand_in):
    with opened(browser, stand_in.url, "Failed to load resource.*502") as first:
        first.goto("/#machine")
        heading(first, "Off").wait_for()
        second = first.context.new_page()
        second.goto("/#machine")
        heading(second, "Off").wait_for()
        stand_in.told(away=True)
        expect(second.get_by_text("The connection to the server is lost.")).to_be_visible()
        stand_in.told(away=False, machine=Machine(state="ready", stage=5))
        heading(second, "Ready").wait_for()
        expect(second.get_by_text("The connection to the server is lost.")).to_be_hidden()


@pytest.mark.parametrize("state", ["off", "starting", "ready", "failed"])
def test_axe_finds_nothing_in_any_state_and_nothing_is_cut_on_any_screen(page, stand_in, axe, shots, state):
    stand_in.told(
        machine=Machine(
            state=state, stage=2, waiting=2, holds=[{"by": "maria", "until": NOW + 900, "why": "a talk"}]
        ),
        jobs=[
            job(1, "running", progress=0.4),
            job(2, "running", own=False),
            job(3, "queued"),
            job(4, "failed"),
        ],
        models=MODELS,
    )
    page.goto("/#machine")
    heading(page, state.capitalize()).wait_for()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        axe(page)
    shots.take(page, f"machine-{state}")
