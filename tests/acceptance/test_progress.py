"""A long alignment shows how far it is, at a terminal."""

from __future__ import annotations

import re

import pytest

from servers.settings import ROOT
from tests.acceptance.processes import Appliance, running_appliance
from tests.cli.terminal import skylark

TIMES = 8  # of the example: three minutes, which take some seconds to align


@pytest.fixture(scope="module")
def appliance():
    with running_appliance() as appliance:
        yield appliance


@pytest.fixture
def book(tmp_path, appliance: Appliance):
    """A long text, and its recording."""
    text = tmp_path / "book.txt"
    text.write_text((ROOT / "examples" / "hello.txt").read_text() * TIMES)
    server = appliance.url("tts", "")
    spoken = skylark("say", text, "--out", tmp_path / "book.wav", "--server", server)
    assert spoken.ended() == 0, spoken.seen
    spoken.close()
    return tmp_path / "book.wav", text


def test_a_long_alignment_shows_how_far_it_is(appliance, book, tmp_path):
    config = tmp_path / "c.json"
    config.write_text(f'{{"whisper_url": "{appliance.url("whisperx", "")}"}}')
    terminal = skylark("align", *book, "--config", config)
    try:
        assert terminal.ended() == 0, terminal.seen
    finally:
        terminal.close()
    assert "aligning" in terminal.seen
    percents = {int(percent) for percent in re.findall(r"(\d+)%", terminal.seen)}
    assert percents - {0, 100}, terminal.seen[:2000]
    assert "lighthouse" in terminal.seen
