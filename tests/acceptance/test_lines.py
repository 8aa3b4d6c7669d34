"""A batch in lines, over real HTTP: each text or recording as soon as it has ended; a book is written so."""

from __future__ import annotations

import base64
import json

import pytest

from tests.acceptance.processes import Appliance, eventually, running_appliance
from tests.cli.terminal import skylark

LINES = {"Accept": "application/x-ndjson"}
TEXTS = [f"Text {number}." for number in range(30)]
STEADY = {"texts": TEXTS, "model": "fake/steady"}
"""0.3 seconds of work for each text."""


@pytest.fixture(scope="module")
def appliance():
    with running_appliance() as appliance:
        yield appliance


def statuses(appliance: Appliance, job_ids: list[str]) -> set[str]:
    return {appliance.jobs.get(job_id)["status"] for job_id in job_ids}


def test_thirty_texts_arrive_one_by_one_from_the_first_on(appliance):
    told, waiting = [], []
    with appliance.post("tts", "/generate_batch", json=STEADY, headers=LINES, stream=True) as reply:
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/x-ndjson")
        for line in reply.iter_lines(chunk_size=1 << 16):
            told.append(json.loads(line))
            if len(told) in (1, 10):
                waiting.append(len(appliance.jobs.queue()["queued"]))
    *results, done = told
    assert [(each["index"], each["text"]) for each in results] == list(enumerate(TEXTS))
    assert all(base64.b64decode(each["audio"])[:4] == b"RIFF" for each in results)
    assert (done["done"], done["model"], len(done["job_ids"])) == (True, "steady", 30)
    assert 30 > waiting[0] > waiting[1] > 0
    assert statuses(appliance, done["job_ids"]) == {"done"}


def test_lines_and_json_say_the_same(appliance):
    body = {"texts": ["Good morning.", "", "Good evening."]}
    whole = appliance.post("tts", "/generate_batch", json=body).json()
    reply = appliance.post("tts", "/generate_batch", json=body, headers=LINES)
    *results, done = [json.loads(line) for line in reply.text.splitlines()]
    for index, (line, result) in enumerate(zip(results, whole["results"], strict=True)):
        audio = len(line.pop("audio", "")), len(result.pop("audio", ""))
        assert audio[0] == audio[1]
        assert line == {"index": index} | result
    assert results[1]["error"]["code"] == "invalid_request"
    assert done["model"] == whole["model"]


def test_a_client_that_leaves_after_a_line_has_the_rest_cancelled(appliance):
    reply = appliance.post("tts", "/generate_batch", json=STEADY, headers=LINES, stream=True)
    assert json.loads(next(reply.iter_lines(chunk_size=1 << 16)))["index"] == 0
    assert appliance.jobs.queue()["queued"]
    reply.close()
    eventually(lambda: not appliance.jobs.queue()["queued"], "the texts that nobody waits for are cancelled")
    eventually(lambda: not appliance.jobs.queue()["running"], "nor is one spoken")


def test_what_is_wrong_with_a_request_is_its_status_and_not_a_line(appliance):
    body = {"texts": ["Good morning."], "voice": "nobody"}
    reply = appliance.post("tts", "/generate_batch", json=body, headers=LINES)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "unknown_voice")
    reply = appliance.post("tts", "/generate_batch", json={"texts": ["", " "]}, headers=LINES)
    assert (reply.status_code, reply.json()["error"]["param"]) == (422, "texts.0")


@pytest.mark.parametrize(
    ("path", "fields"), [("/transcribe_batch", {}), ("/align_batch", {"text": "Good morning."})]
)
def test_recordings_come_in_lines_too(appliance, path, fields):
    spoken = appliance.post("tts", "/generate_batch", json={"texts": ["Good morning."]}).json()["results"][0]
    body = {"items": [{"audio": spoken["audio"], "language": language} | fields for language in ("en", "de")]}
    first, second, done = (
        json.loads(line)
        for line in appliance.post("whisperx", path, json=body, headers=LINES).text.splitlines()
    )
    assert (first["index"], first["language"][:2], bool(first["words"])) == (0, "en", True)
    assert (second["index"], second["error"]["code"]) == (1, "invalid_request")
    assert done["done"] is True
    assert len(done["job_ids"]) == 2


def test_ctrl_c_in_a_book_keeps_each_paragraph_that_came(appliance, tmp_path):
    book, chapters = tmp_path / "book.txt", tmp_path / "chapters"
    book.write_text("\n\n".join(TEXTS))
    command = (
        "say",
        book,
        "--out-dir",
        chapters,
        "--model",
        "fake/paced",
        "--server",
        appliance.url("tts", ""),
    )
    terminal = skylark(*command)
    try:  # five seconds for each: the first is there long before a request's four are
        eventually((chapters / "manifest.json").exists, "the first paragraph is there")
        assert terminal.interrupt() == 130, terminal.seen
    finally:
        terminal.close()
    kept = json.loads((chapters / "manifest.json").read_text())["paragraphs"]
    assert 1 <= len(kept) < 4
    assert sorted(path.name for path in chapters.glob("*.wav")) == [each["file"] for each in kept]
    eventually(lambda: not appliance.jobs.queue()["running"], "nothing is spoken for nobody")
