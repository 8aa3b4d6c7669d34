"""A transcript as it comes: from a real runner through every server to their clients, and to the page."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect

from tests.acceptance.processes import Appliance, eventually, running_appliance
from tests.proxy.page.conftest import running_proxy
from tests.stand_ins.dictation import CRASH, sentence

SENTENCES, FIRST, LAST = 40, 1, 39
LINES = {"Accept": "application/x-ndjson"}
SLOW = """() => {
  const now = performance.now.bind(performance);
  let laterMs = 0;
  performance.now = () => now() + (laterMs += 9);
}"""
"""So slow a machine that it builds one sentence at a time."""
MODELS = """
backends:
  espeak: {{default: espeak-ng, models: {{espeak-ng: {{}}}}}}
  dictation:
    default: forty
    models:
      forty: {{sentences: {sentences}, gates: [{first}, {last}], folder: {folder}}}
"""


class Gates:
    """How far the recogniser may go: it has heard the sentence before the gate, and waits there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def close(self) -> None:
        for file in self.folder.iterdir():
            file.unlink()

    def open(self, *numbers: int) -> None:
        for number in numbers:
            (self.folder / str(number)).touch()

    def crash(self) -> None:
        (self.folder / CRASH).touch()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("gates")


@pytest.fixture(scope="module")
def settings(folder, tmp_path_factory) -> dict[str, str]:
    models = tmp_path_factory.mktemp("models") / "models.yaml"
    models.write_text(MODELS.format(sentences=SENTENCES, first=FIRST, last=LAST, folder=folder))
    return {"SKYLARK_MODELS_FILE": str(models), "SKYLARK_WHISPERX__MODEL_TYPE": "dictation"}


@pytest.fixture(scope="module")
def appliance(settings) -> Iterator[Appliance]:
    with running_appliance(**settings) as appliance:
        yield appliance


@pytest.fixture(scope="module")
def proxy(appliance, settings):
    with running_proxy(appliance, **settings) as proxy:
        yield proxy


@pytest.fixture
def gates(folder) -> Iterator[Gates]:
    gates = Gates(folder)
    gates.close()
    yield gates
    gates.open(FIRST, LAST)  # whatever still waits


@pytest.fixture(scope="module")
def wav() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(16_000), 16_000, format="WAV")
    return file.getvalue()


def listen(appliance: Appliance, wav: bytes, **headers: str):
    """The lines of one recording, each as soon as it has come."""
    return appliance.post(
        "whisperx", "/transcribe", files={"file": wav}, headers=LINES | headers, stream=True
    )


def segments(reply) -> Iterator[tuple[int, str]]:
    """The number and the text of each segment that is told, and at last how many the result has."""
    for line in reply.iter_lines(chunk_size=None):
        told = json.loads(line)
        if "segment" in told:
            assert "progress" in told
            yield told["segment_index"], told["segment"]["text"]
        if "result" in told:
            yield -1, told["result"]["text"]


def test_each_segment_is_a_line_while_the_rest_is_heard(appliance, gates, wav):
    with listen(appliance, wav) as reply:
        told = segments(reply)
        assert next(told) == (0, sentence(0).text)
        gates.open(FIRST, LAST)
        *rest, (_, text) = told
    assert [number for number, _ in rest] == list(range(1, len(rest) + 1))
    assert text == " ".join(sentence(number).text for number in range(SENTENCES))
    assert text.startswith(" ".join([sentence(0).text, *(text for _, text in rest)]))


def test_after_a_runner_that_was_killed_the_segments_begin_anew(appliance, gates, wav):
    with listen(appliance, wav) as reply:
        told = segments(reply)
        assert next(told) == (0, sentence(0).text)
        gates.crash()
        assert next(told) == (0, sentence(0, again=True).text)
        gates.open(FIRST, LAST)
        assert [number for number, _ in told][-1] == -1


def test_who_comes_back_has_them_from_the_start(appliance, gates, wav):
    key = {"Idempotency-Key": "comes back"}
    with listen(appliance, wav, **key) as reply:
        assert next(segments(reply))[0] == 0
    with listen(appliance, wav, **key) as reply:
        told = segments(reply)
        assert next(told) == (0, sentence(0).text)
        gates.open(FIRST, LAST)
        assert [number for number, _ in told][-1] == -1


def test_who_leaves_in_the_middle_has_the_job_cancelled_and_the_next_is_heard(appliance, gates, wav):
    with listen(appliance, wav) as reply:
        job_id = reply.headers["X-Job-Id"]
        next(segments(reply))
    eventually(lambda: appliance.jobs.get(job_id)["status"] == "cancelled", "it is cancelled")
    gates.open(FIRST, LAST)
    with listen(appliance, wav) as reply:
        assert [number for number, _ in segments(reply)][-1] == -1


def test_openais_client_is_sent_the_text_while_the_rest_is_heard(appliance, gates, wav):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=appliance.url("whisperx", "/v1"), api_key="none", max_retries=0) as client:
        stream = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", wav), stream=True)
        with closing(stream):
            first = next(stream)
            assert (first.type, first.delta) == ("transcript.text.delta", sentence(0).text)
            gates.open(FIRST, LAST)
            *deltas, done = stream
    assert done.text == first.delta + "".join(each.delta for each in deltas)


@pytest.fixture
def tab(page, gates):
    """The tab Listen."""
    page.goto("/#listen")
    page.get_by_role("heading", name="Earlier").wait_for()
    return page.locator("#listen")


STAYS = """(top) => {
  const row = document.querySelectorAll("#listen .segments > .segment")[30];
  return Math.abs(row.getBoundingClientRect().top - top) < 20;
}"""
"""Less than a row: a busy browser lays rows out a moment later."""


def choose(tab, wav: bytes) -> None:
    tab.locator("input[type=file]").set_input_files(
        {"name": "news.wav", "mimeType": "audio/wav", "buffer": wav}
    )


def test_the_page_shows_sentences_as_they_come_and_the_transcript_in_their_place(
    page, tab, gates, wav, axe, shots
):
    choose(tab, wav)
    heard = tab.get_by_role("list", name="Heard so far")
    expect(heard.get_by_role("listitem")).to_have_count(1)
    expect(heard.locator(".words")).to_have_text(sentence(0).text)
    expect(heard).to_have_attribute("aria-live", "off")
    expect(tab.get_by_role("status").first).to_have_text("Words are being recognised.")
    expect(tab.get_by_role("button", name="Edit what is said")).to_have_count(0)
    gates.open(FIRST)
    expect(heard.get_by_role("listitem")).to_have_count(LAST)
    axe(page)
    shots.take(page, "listen-coming")

    row = heard.get_by_role("listitem").nth(30)
    row.evaluate("(row) => row.scrollIntoView({ block: 'start', behavior: 'instant' })")
    row.get_by_role("button", name="Hear from").focus()
    top = row.bounding_box()["y"]
    page.evaluate(SLOW)
    gates.open(LAST)
    tab.get_by_role("button", name="Download json").wait_for()
    expect(heard).to_be_hidden()
    rows = tab.locator(".segments > .segment")
    expect(rows).to_have_count(SENTENCES)
    page.wait_for_function(STAYS, arg=top)
    expect(rows.nth(30).get_by_role("button", name="Hear from")).to_be_focused()


def test_the_page_begins_anew_with_its_job_and_shows_nothing_of_one_that_is_cancelled(tab, gates, wav):
    choose(tab, wav)
    gates.open(FIRST)
    rows = tab.locator(".heard > .segment")
    expect(rows).to_have_count(LAST)
    gates.close()
    gates.crash()
    expect(rows).to_have_count(1)
    expect(rows.locator(".words")).to_have_text(sentence(0, again=True).text)
    tab.get_by_role("button", name="Cancel").click()
    expect(rows).to_have_count(0)
    expect(tab.get_by_text("It was cancelled.")).to_be_visible()


def test_after_a_reload_what_was_heard_is_there_again(page, tab, gates, wav):
    choose(tab, wav)
    heard = tab.get_by_role("list", name="Heard so far").get_by_role("listitem")
    expect(heard).to_have_count(1)
    page.reload()
    expect(heard).to_have_count(1)
    gates.open(FIRST, LAST)
    expect(tab.locator(".segments > .segment")).to_have_count(SENTENCES)
