"""A machine in a cloud, as a toy plays it, started from a real page through a real proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.cli.stand_in_machine import Machine
from tests.proxy.page.conftest import LONGEST_MS, serving
from tests.proxy.page.stand_in_proxy import page_with_sign, standing_in
from tests.proxy.page.test_shell import opened
from tests.proxy.stood_in import DOOR, StoodIn, refusal
from tests.proxy.toy_upstream import Talk, toy_upstream

AWAY = ("503 Service Unavailable", refusal("machine_off", "the machine is off"))
VOICES = ("200 OK", {"voices": [], "models": []})
KEY = "sesame-open-7391"
LATE_ANSWER = """async (machine) => (await import("/page/status.js")).machineAt().startsAs(machine)"""
"""What the start was answered with, after what the proxy has seen of it since."""


class Cloud(StoodIn):
    """The appliance behind a load balancer: its doors answer once its machine is ready."""

    def __call__(self, talk: Talk) -> None:
        if talk.asked.line.startswith("POST /machine/start"):
            self.becomes(Machine(state="starting", stage=2))
            self.answers["/machine/start"] = ("202 Accepted", Machine(state="starting", stage=0).body())
        super().__call__(talk)

    def becomes(self, machine: Machine) -> None:
        served = ("200 OK", DOOR) if machine.state == "ready" else AWAY
        self.answers |= {
            "/tts/health": served,
            "/whisperx/health": served,
            "/tts/v1/voices": VOICES if served is not AWAY else AWAY,
            "/machine": ("200 OK", machine.body()),
        }


@pytest.fixture
def cloud():
    with toy_upstream() as toy:
        toy.does = cloud = Cloud()
        cloud.becomes(Machine())
        cloud.toy = toy
        yield cloud


@contextmanager
def proxy_before(cloud: Cloud, folder: Path, **settings: str) -> Iterator[str]:
    config = folder / "server_config.json"
    urls = {"server_url": "/tts", "whisper_url": "/whisperx", "jobs_url": "", "machine_url": "/machine"}
    told = {name: f"{cloud.toy.url}{path}" for name, path in urls.items()}
    config.write_text(json.dumps(told | {"api_key": KEY}))
    environment = {
        "SKYLARK_DATA_DIR": str(folder),
        "SKYLARK_PROXY__SERVER_CONFIG": str(config),
        "SKYLARK_PROXY__STATUS_EVERY_S": "0.2",
        **settings,
    }
    with serving(environment, folder) as proxy:
        yield proxy.url


def test_it_is_started_from_the_page_and_followed_until_it_is_ready(browser, cloud, tmp_path):
    # Which voices there are nobody can say while it is off.
    expected = "Failed to load resource.*503"
    with proxy_before(cloud, tmp_path) as url, opened(browser, url, expected) as page:
        page.goto("/#machine")
        heading = page.get_by_role("tabpanel").get_by_role("heading")
        expect(heading.filter(has_text="Off")).to_be_visible(timeout=LONGEST_MS)
        expect(page.get_by_text("The queue is not seen now")).to_be_visible()
        page.get_by_role("button", name="Start the machine").click()
        expect(heading.filter(has_text="Starting")).to_be_visible()
        stages = page.get_by_role("list", name="Stages of the start").get_by_role("listitem")
        expect(stages.nth(2)).to_contain_text("running", timeout=LONGEST_MS)
        expect(stages.nth(1)).to_contain_text("done")
        page.evaluate(LATE_ANSWER, Machine(state="starting", stage=0).body())
        expect(stages.nth(2)).to_contain_text("running")
        cloud.becomes(Machine(state="ready", stage=5))
        expect(heading.filter(has_text="Ready")).to_be_visible(timeout=LONGEST_MS)
        expect(page.get_by_role("region", name="Costs")).to_contain_text("$0.42")
        assert KEY not in page.content()
    started = [asked for asked in cloud.toy.asked if asked.line.startswith("POST /machine/start")]
    assert len(started) == 1


def test_a_page_of_a_known_origin_embeds_the_sign(browser, cloud, tmp_path):
    with standing_in() as elsewhere:
        origins = {"SKYLARK_PROXY__ORIGINS": json.dumps([elsewhere.url])}
        with proxy_before(cloud, tmp_path, **origins) as url:
            elsewhere.pages["elsewhere"] = page_with_sign(url)
            with opened(browser, elsewhere.url, "request to another origin") as page:
                page.goto("/elsewhere")
                sign = page.locator("skylark-status [role=status]")
                expect(sign).to_have_text("Off", timeout=LONGEST_MS)
                cloud.becomes(Machine(state="ready", stage=5))
                expect(sign).to_have_text("Ready", timeout=LONGEST_MS)
