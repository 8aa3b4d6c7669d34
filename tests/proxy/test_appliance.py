"""A proxy before a real appliance: it speaks, listens and aligns, and its jobs go with their browsers."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests
import soundfile

from servers.settings import ROOT
from servers.supervision.processes import DOORS
from tests.acceptance.processes import Appliance, eventually, running_appliance
from tests.proxy.process import Proxy, Visitor, running_proxy

ENDED = ("done", "failed", "cancelled")
KEY = "sesame-open-7391"
TEXT = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="module")
def appliance() -> Iterator[Appliance]:
    with running_appliance(
        TTS_API_KEY=KEY, SKYLARK_MODELS_FILE=str(ROOT / "config" / "models.example.yaml")
    ) as appliance:
        yield appliance


@pytest.fixture(scope="module")
def proxy(appliance: Appliance) -> Iterator[Proxy]:
    ports = {door.port_variable: str(appliance.ports[door.name]) for door in DOORS}
    with running_proxy(appliance.folder, TTS_API_KEY=KEY, **ports) as proxy:
        yield proxy


@pytest.fixture
def visitor(proxy: Proxy) -> Iterator[Visitor]:
    visitor = Visitor(proxy.url)
    yield visitor
    visitor.http.close()


def events(reply: requests.Response) -> Iterator[dict]:
    for line in reply.iter_lines():
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


def spoken(visitor: Visitor, text: str = TEXT) -> bytes:
    """As a wav file."""
    reply = visitor.post("/api/tts-generate", json={"texts": [text]})
    assert reply.status_code == 200, reply.text
    return base64.b64decode(reply.json()["results"][0]["audio"])


def test_texts_are_spoken_in_one_reply(visitor):
    samples, rate = soundfile.read(io.BytesIO(spoken(visitor)))
    assert len(samples) / rate > 1
    assert abs(samples).max() > 0.05


def test_a_text_is_spoken_as_events_with_its_words(visitor):
    body = {"input": TEXT, "response_format": "pcm", "stream_format": "sse"}
    with visitor.post("/api/speech", json=body, stream=True) as reply:
        assert reply.headers["X-Sample-Rate"] == "24000"
        assert reply.headers["X-Model"] == "espeak/espeak-ng"
        told = list(events(reply))
    *deltas, done = told
    assert {each["type"] for each in deltas} == {"speech.audio.delta"}
    assert done["type"] == "speech.audio.done"
    assert [word["word"] for word in done["words"]][:3] == ["The", "quick", "brown"]


def test_a_lost_stream_goes_on_at_its_sample(visitor):
    body = {"input": TEXT, "response_format": "pcm"}
    named = {"Idempotency-Key": "take/1"}
    whole = visitor.post("/api/speech", named, json=body).content
    rest = visitor.post("/api/speech?from=1000", named, json=body).content
    assert rest == whole[2_000:]


def test_voices_are_told(visitor):
    assert visitor.get("/api/voices").json()["voices"]


def test_a_recording_is_heard_line_by_line(visitor):
    recording = spoken(visitor, "one two three four five")
    lines = {"Accept": "application/x-ndjson"}
    with visitor.post("/api/transcribe", lines, files={"file": ("a.wav", recording)}, stream=True) as reply:
        told = [json.loads(line) for line in reply.iter_lines()]
    assert "three" in told[-1]["result"]["text"]


def test_a_text_is_aligned(visitor):
    recording = spoken(visitor, "one two three")
    reply = visitor.post("/api/align", files={"file": ("a.wav", recording)}, data={"text": "one two three"})
    assert [word["word"] for word in reply.json()["words"]] == ["one", "two", "three"]


def test_an_error_of_the_server_comes_as_it_said_it(visitor):
    reply = visitor.post("/api/speech", json={"input": "a", "voice": "nobody"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "unknown_voice")  # as OpenAI's has it


def test_the_job_of_a_browser_that_goes_away_is_cancelled(visitor, appliance):
    long = {"input": "word " * 3_900, "response_format": "pcm"}
    with visitor.begin("/api/speech", json.dumps(long).encode()) as sock:
        head = sock.recv(2_000).decode("latin-1")
    (job_id,) = re.findall(r"X-Job-Id: (\S+)", head)
    eventually(lambda: appliance.jobs.get(job_id)["status"] in ENDED, "the job has ended")
    job = appliance.jobs.get(job_id)
    assert (job["status"], job["application_id"][:5]) == ("cancelled", "page-")


def test_the_command_line_works_by_what_the_proxy_tells_it(proxy, tmp_path):
    config = tmp_path / "server_config.json"
    config.write_bytes(requests.get(f"{proxy.url}/server_config.json", timeout=20).content)
    assert KEY not in config.read_text()

    def skylark(*arguments: str) -> str:
        command = [sys.executable, "-m", "servers.cli", *arguments, "--config", str(config)]
        environment = {name: value for name, value in os.environ.items() if name != "TTS_API_KEY"}
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, check=True, timeout=120, capture_output=True, text=True
        )
        return ended.stdout

    recording = str(tmp_path / "a.wav")
    skylark("say", "one two three four five", "--out", recording)
    assert "three" in skylark("transcribe", recording)
    assert "three" in skylark("align", recording, "one two three four five")
    assert '"engine": "whisperx"' in skylark("health", "--json")


def test_the_key_is_in_nothing_that_was_said(proxy, visitor, appliance):
    told = [
        visitor.get(path)
        for path in ("/", "/api/visitor", "/api/voices", "/api/health", "/server_config.json")
    ]
    told.append(visitor.post("/api/tts-generate", json={"texts": ["a"]}))
    for reply in told:
        assert KEY not in reply.text + str(reply.headers), reply.url
    assert KEY not in proxy.log.read_text()
    assert KEY not in (appliance.folder / "proxy.secret").read_text()
