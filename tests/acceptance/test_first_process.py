"""What the image starts, on this machine itself: one stream of logs, and an exit code that tells."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.acceptance.processes import Appliance, alive, eventually

MODULE = "servers.supervision.container"


@pytest.fixture
def start():
    started: list[Appliance] = []

    def start(**settings: str) -> Appliance:
        folder = Path(tempfile.mkdtemp(prefix="sky"))
        started.append(Appliance(folder, MODULE, TMPDIR=str(folder / "tmp"), **settings))
        return started[-1]

    yield start
    for appliance in started:
        appliance.end()
        shutil.rmtree(appliance.folder)


def said(appliance: Appliance) -> list[dict]:
    """Every line that it wrote. Raises ValueError for one that is not JSON."""
    text = (appliance.folder / "logs" / "supervisord.out").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_sigterm_says_not_ready_first_and_ends_the_doors_and_then_the_engine_with_0(start):
    appliance = start(SKYLARK_WEB__STOP_NOTICE_S="4")
    appliance.wait_until_ready()
    assert appliance.post("tts", "/generate_batch", json={"texts": ["Hello."]}).status_code == 200
    family = appliance.family()
    appliance.process.terminate()
    eventually(lambda: not appliance.ready("tts"), "it is not ready")
    assert appliance.post("tts", "/generate_batch", json={"texts": ["Hello."]}).status_code == 200
    assert appliance.wait() == 0
    assert alive(family) == []
    lines = said(appliance)
    stopped = [line["message"].split()[1] for line in lines if line["message"].startswith("stopped:")]
    assert (set(stopped[:2]), stopped[2:]) == ({"tts", "whisperx"}, ["engine"])
    spoken = [line for line in lines if line.get("endpoint") == "generate.generate_batch"]
    assert [line["process"] for line in spoken] == ["tts", "tts"]
    assert all(line["request_id"] for line in spoken)


def test_a_server_that_cannot_be_kept_running_ends_all_with_1(start):
    appliance = start(SKYLARK_WHISPERX__MODEL_TYPE="nothing")
    family = appliance.family()
    assert appliance.wait() == 1
    assert alive(family) == []
    messages = [line["message"] for line in said(appliance)]
    assert "whisperx cannot be kept running: stopping everything" in messages
    assert messages[-1] == "all have ended"


def test_settings_that_cannot_be_are_said_in_one_line_with_1(start):
    appliance = start(SKYLARK_TTS__PORT="many")
    assert appliance.wait() == 1
    text = (appliance.folder / "logs" / "supervisord.out").read_text()
    assert text.startswith("skylark: ")
    assert text.count("\n") == 1
