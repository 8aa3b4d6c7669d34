"""The tab Machine of a real appliance, through a real proxy: its state, its models, and its queue."""

from __future__ import annotations

import numpy as np
import soundfile
from playwright.sync_api import expect

from tests.acceptance.processes import eventually
from tests.proxy.page.conftest import LONGEST_MS

FITS = "(table) => table.offsetWidth <= table.parentElement.clientWidth"
TIMES = 60
"""So often SAID is in a recording that is still listened to when it is cancelled."""


def test_an_appliance_beside_the_proxy_is_shown_as_it_is(page, shots):
    page.goto("/#machine")
    machine = page.get_by_role("tabpanel", name="Machine")
    expect(machine.get_by_role("heading", name="Ready", exact=True)).to_be_visible(timeout=LONGEST_MS)
    expect(machine.get_by_role("heading", name="This machine")).to_be_visible()
    expect(machine.get_by_role("region", name="Models")).to_contain_text("espeak-ng")
    expect(page.get_by_role("button", name="Start the machine")).to_have_count(0)
    shots.take(page, "machine-appliance")


def test_axe_finds_nothing_where_an_appliance_is_shown(page, axe):
    page.goto("/#machine")
    expect(page.get_by_role("tabpanel").get_by_role("heading", name="Ready", exact=True)).to_be_visible()
    axe(page)


def test_what_one_has_spoken_is_in_the_queue_as_ones_own(page):
    page.goto("/#speak")
    page.get_by_role("textbox", name="Text").fill("Good morning, and welcome.")
    page.get_by_role("button", name="Speak", exact=True).click()
    page.get_by_role("tab", name="Machine").click()
    row = page.get_by_role("table", name="Queue").locator("tbody tr", has_text="yours").first
    expect(row).to_contain_text("Speak", timeout=LONGEST_MS)
    expect(row).to_contain_text("done", timeout=LONGEST_MS)
    expect(page.get_by_role("region", name="Models").get_by_role("listitem").first).to_contain_text(
        "resident"
    )


def test_a_job_that_runs_is_cancelled_from_the_queue_and_its_tab_says_so(
    page, appliance, recording, tmp_path
):
    samples, rate = soundfile.read(recording, dtype="int16")
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(samples, TIMES), rate)
    page.goto("/#listen")
    listen = page.get_by_role("tabpanel", name="Listen")
    listen.locator("input[type=file]").set_input_files(long)
    page.get_by_role("tab", name="Machine").click()
    rows = page.get_by_role("table", name="Queue").locator("tbody tr")
    own = rows.filter(has_text="yours").filter(has_text="Listen").first
    expect(own).to_contain_text("running", timeout=LONGEST_MS)
    fits = {}
    for width in (801, 1153, 1000):  # where it has the least room
        page.set_viewport_size({"width": width, "height": 900})
        fits[width] = page.get_by_role("table", name="Queue").evaluate(FITS)
    own.get_by_role("button", name="Cancel Listen").click()
    expect(own).to_contain_text("cancelled", timeout=LONGEST_MS)
    expect(own.get_by_role("button")).to_have_count(0)
    eventually(lambda: not appliance.jobs.queue()["running"], "the engine has nothing in hand")
    assert appliance.jobs.queue()["recent"][0]["status"] == "cancelled"
    page.get_by_role("tab", name="Listen").click()
    expect(listen.get_by_text("cancelled")).to_be_visible(timeout=LONGEST_MS)
    assert all(fits.values()), fits  # now that nobody has to wait for the job
