"""What one request may ask for holds for every way in, in real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from servers.errors import AudioTooLong, SkylarkError, TooLarge, UnsupportedAudio
from servers.settings import ROOT
from tests.acceptance.processes import Appliance, free_port, running_appliance

PORT = free_port()
MOST_CHARS, MOST_TEXTS, MOST_TOGETHER, LONGEST_S = 1_000, 5, 3_000, 400
LONG_TEXT = "word " * MOST_CHARS
MOST_GROWTH_MB = 300
END_S = 120.0


@pytest.fixture(scope="module")
def appliance() -> Iterator[Appliance]:
    with running_appliance(
        SKYLARK_MODELS_FILE="config/models.example.yaml",
        SKYLARK_ENGINE__PORT=str(PORT),
        SKYLARK_LIMITS__MAX_TEXT_CHARS=str(MOST_CHARS),
        SKYLARK_LIMITS__MAX_TEXTS=str(MOST_TEXTS),
        SKYLARK_LIMITS__MAX_REQUEST_CHARS=str(MOST_TOGETHER),
        SKYLARK_LIMITS__MAX_AUDIO_S=str(LONGEST_S),
    ) as appliance:
        yield appliance


@pytest.fixture
def folder() -> Iterator[Path]:
    """Under one of the engine's file_roots."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def speaking(text: str) -> dict[str, Any]:
    return {"model_type": "espeak", "payload": {"text": text}}


def over_tcp(appliance: Appliance, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = appliance.http.post(f"http://127.0.0.1:{PORT}{path}", json=body)
    assert reply.status_code == 413, reply.text
    return reply.json()["error"]


def at_the_door(appliance: Appliance, texts: list[str]) -> dict[str, Any]:
    reply = appliance.post("tts", "/generate_batch", json={"texts": texts})
    assert reply.status_code == 413, reply.text
    return reply.json()["error"]


def over_the_socket(ask: Callable[[], object]) -> dict[str, Any]:
    with pytest.raises(TooLarge) as raised:
        ask()
    return raised.value.to_dict()


WAYS: dict[str, Callable[[Appliance, list[str]], dict[str, Any]]] = {
    "the socket": lambda appliance, texts: over_the_socket(
        lambda: appliance.jobs.submit([speaking(text) for text in texts])
    ),
    "a stream": lambda appliance, texts: over_the_socket(
        lambda: list(appliance.jobs.stream([speaking(text) for text in texts]))
    ),
    "TCP": lambda appliance, texts: over_tcp(
        appliance, "/jobs/batch", {"jobs": [speaking(text) for text in texts]}
    ),
    "the door": at_the_door,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_text_over_the_limit_is_refused_by_every_way_in(appliance, way):
    error = WAYS[way](appliance, ["Hello.", LONG_TEXT])
    assert (error["code"], error["message"]) == ("too_large", "5000 characters; at most 1000 are possible")
    assert error["param"] in ("jobs.1.payload.text", "texts.1")


@pytest.mark.parametrize("way", WAYS)
def test_more_at_once_than_the_limit_is_refused_by_every_way_in(appliance, way):
    error = WAYS[way](appliance, ["Hello."] * (MOST_TEXTS + 1))
    assert (error["code"], error["message"]) == ("too_large", "6 at once; at most 5 are possible")
    assert error["param"] in ("jobs", "texts")


@pytest.mark.parametrize("way", WAYS)
def test_texts_that_are_too_long_together_are_refused_by_every_way_in(appliance, way):
    error = WAYS[way](appliance, ["a" * (MOST_CHARS - 100)] * 4)
    assert error["code"] == "too_large"
    assert error["message"].endswith("characters together; at most 3000 are possible")
    assert error["param"] in ("jobs", "texts")


def test_the_command_line_says_it_too(appliance):
    command = [sys.executable, "-m", "servers.cli", "srv", "submit", "espeak"]
    asked = ["--payload", f'{{"text": "{LONG_TEXT}"}}', "--socket", str(appliance.folder / "engine.sock")]
    done = subprocess.run(
        command + asked, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=END_S
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "5000 characters; at most 1000 are possible" in done.stderr


def heard(appliance: Appliance, path: Path) -> str:
    """The id of a job that has ended."""
    payload = {"task": "transcribe", "audio_path": str(path)}
    (job_id,) = appliance.jobs.submit([{"model_type": "pocketsphinx", "payload": payload}])
    return appliance.jobs.wait(job_id, timeout_s=END_S)["id"]


def failure(appliance: Appliance, path: Path) -> SkylarkError:
    job = appliance.jobs.get(heard(appliance, path))
    assert job["status"] == "failed"
    return SkylarkError.from_dict(job["error"])


def test_a_job_with_a_recording_over_the_limit_fails_as_the_door_refuses(appliance, folder):
    path = folder / "long.wav"
    soundfile.write(path, np.zeros((LONGEST_S + 1) * 4_000, np.int16), 4_000)
    error = failure(appliance, path)
    assert (type(error), error.param) == (AudioTooLong, "audio_path")
    reply = appliance.post("whisperx", "/transcribe", files={"file": path.read_bytes()})
    assert (reply.status_code, reply.json()["error"]["message"]) == (413, error.message)


def test_a_job_with_a_recording_of_one_sample_a_second_fails_at_once(appliance, folder):
    path = folder / "slow.wav"
    soundfile.write(path, np.zeros(20_000, np.int16), 1)
    error = failure(appliance, path)
    assert (type(error), error.param) == (UnsupportedAudio, "audio_path")
    assert "from 4000 to 768000 are possible" in error.message


def test_a_runner_takes_no_more_memory_for_more_channels_and_a_higher_rate(appliance, folder):
    path, brief = folder / "silence.flac", folder / "brief.wav"
    second = np.zeros((192_000, 8), np.int16)
    with soundfile.SoundFile(path, "w", 192_000, 8, format="FLAC", subtype="PCM_16") as file:
        for _ in range(300):
            file.write(second)
    soundfile.write(brief, np.zeros(16_000, np.int16), 16_000)
    heard(appliance, brief)
    before = highest = listeners_mb(appliance)
    payload = {"task": "transcribe", "audio_path": str(path)}
    (job_id,) = appliance.jobs.submit([{"model_type": "pocketsphinx", "payload": payload}])
    deadline = time.monotonic() + END_S
    while appliance.jobs.get(job_id)["finished_at"] is None:
        assert time.monotonic() < deadline
        highest = max(highest, listeners_mb(appliance))
        time.sleep(0.02)
    assert appliance.jobs.get(job_id)["status"] == "done"
    assert highest - before < MOST_GROWTH_MB


def listeners_mb(appliance: Appliance) -> float:
    """The memory of all runners; none has a model but those of this test."""
    runners: list[psutil.Process] = appliance.named("servers.runner")
    return sum(runner.memory_info().rss for runner in runners) / 1e6
