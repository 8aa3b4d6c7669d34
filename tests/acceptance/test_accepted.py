"""Work is accepted while the machine is off, by the real function, and a real machine takes it in."""

from __future__ import annotations

import io
import json

import pytest
import soundfile

pytest.importorskip("boto3", reason="needs the extra [cloud]")
pytest.importorskip("moto.server", reason="moto, the AWS of the tests, is not installed")

from benchmarks.customer import is_numbered
from tests.acceptance.off import OWNERS, Off, off
from tests.acceptance.processes import Appliance, eventually, running_appliance

TEXT = "Good morning, and welcome."
JOB = {"model_type": "espeak", "payload": {"text": TEXT}}
FITS = 0.45


def aligned(appliance: Appliance, wav: bytes) -> float:
    """How well the audio is that text."""
    files = {"file": ("a.wav", wav), "text": (None, TEXT)}
    reply = appliance.post("whisperx", "/align", files=files, headers={"X-API-Key": OWNERS["maria"]})
    assert reply.status_code == 200, reply.text
    return float(reply.json()["score"])


def form(wav: bytes, **fields: str) -> tuple[bytes, str]:
    """A form with a recording, and its content type."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    return "".join([*parts, head]).encode() + wav + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


def test_what_was_accepted_while_off_is_done_when_the_machine_starts_and_fetched_by_who_sent_it():
    with off() as cloud:
        speech = {"input": TEXT, "model": "tts-1", "voice": "alloy", "response_format": "wav"}
        spoken = cloud.accept("/v1/audio/speech", speech, Idempotency_Key="greeting")
        job = cloud.accept("/jobs", JOB, owner="bob")
        batch = cloud.accept(
            "/jobs/batch", {"jobs": [JOB, {"model_type": "espeak", "payload": {"text": "🎉"}}]}
        )
        file = {
            "model_type": "pocketsphinx",
            "payload": {"task": "transcribe", "audio_path": "/etc/hostname"},
        }
        prying = cloud.accept("/jobs", file)
        wrong = cloud.accept("/tts/generate_batch", {"texts": [TEXT], "voice": "nobody"})
        assert cloud.ask("POST", "/v1/tts", {"text": TEXT}).code == "machine_off"
        assert cloud.waits() == 5
        with running_appliance(**cloud.machine) as appliance:
            wav = check_speech(cloud, appliance, spoken)
            check_jobs(cloud, appliance, job, batch)
            failed = cloud.ended(wrong)
            assert (failed["status"], failed["error"]["code"]) == ("failed", "unknown_voice")
            assert failed["error"]["param"] == "voice"
            assert cloud.ended(prying)["error"]["param"] == "payload.audio_path", (
                "it is a file of the machine's"
            )
            check_nobody_else(cloud, appliance, spoken)
            assert appliance.jobs.queue()["queued"] == []
        check_recordings(cloud, wav)


def check_speech(cloud: Off, appliance: Appliance, id: str) -> bytes:
    told = cloud.ended(id)
    assert (told["status"], told["result"]["status"]) == ("done", 200), told
    reply = cloud.fetch(told["result"]["url"])
    assert reply.headers["Content-Type"] == told["result"]["content_type"] == "audio/wav"
    assert len(reply.content) == told["result"]["bytes"]
    assert aligned(appliance, reply.content) > FITS
    return reply.content


def check_jobs(cloud: Off, appliance: Appliance, job: str, batch: str) -> None:
    result = cloud.ended(job, owner="bob")["result"]
    told = json.loads(cloud.fetch(result["url"]).content)
    assert (told["status"], told["payload"]["text"]) == ("done", TEXT)
    (audio,) = result["audio"]
    wav = cloud.fetch(audio["url"]).content
    samples, rate = soundfile.read(io.BytesIO(wav))
    assert (len(samples), rate) == (told["result"]["samples"], told["result"]["sample_rate"])
    assert aligned(appliance, wav) > FITS
    result = cloud.ended(batch)["result"]
    first, second = json.loads(cloud.fetch(result["url"]).content)["jobs"]
    assert (first["status"], second["status"]) == ("done", "failed")
    assert [each["index"] for each in result["audio"]] == [0]
    mine = {"X-API-Key": OWNERS["maria"]}
    assert appliance.jobs.get(told["id"])["status"] == "done", "and the engine has it as any other job"
    assert cloud.ask("GET", f"/accepted/{job}", owner="maria").status == 404, mine


def check_nobody_else(cloud: Off, appliance: Appliance, id: str) -> None:
    """The owner that the intake names is nobody else's to name, and their work is theirs alone."""
    named = {"X-Skylark-Owner": "maria", "X-Skylark-Intake": "a guess"}
    assert appliance.post("tts", "/v1/tts", json={"text": TEXT}, headers=named).status_code == 401
    assert cloud.ask("GET", f"/accepted/{id}", owner="bob").status == 404
    told = [each for each in appliance.family() if each.environ().get("SKYLARK_INTAKE_SECRET")]
    commands = {" ".join(each.cmdline()) for each in told}
    assert commands
    assert not [command for command in commands if "servers.engine" in command or "servers.runner" in command]


def check_recordings(cloud: Off, wav: bytes) -> None:
    """In the second start: a recording in a request, and one that is uploaded past the load balancer."""
    body, kind = form(wav, language="en", priority="0")
    heard = cloud.accept("/whisperx/transcribe", body, Content_Type=kind)
    asked = {"path": "/align", "headers": {"Content-Type": kind}, "priority": 1}
    body, _ = form(wav, text=TEXT)
    announced = cloud.ask("POST", "/accepted", asked | {"bytes": len(body)})
    upload = announced.body["upload"]
    sent = cloud.http.put(upload["url"], data=body, headers=upload["headers"])
    assert sent.status_code == 200, sent.text
    assert cloud.ask("POST", upload["then"]).status == 202
    with running_appliance(**cloud.machine):
        transcript = json.loads(cloud.fetch(cloud.ended(heard)["result"]["url"]).content)
        assert len(transcript["words"]) >= 2
        alignment = json.loads(cloud.fetch(cloud.ended(announced.body["id"])["result"]["url"]).content)
        assert alignment["score"] > FITS
    assert cloud.has_ended()[heard]["taken_at"] < cloud.has_ended()[announced.body["id"]]["taken_at"]
    assert cloud.waits() == 0


def test_what_a_machine_had_in_hand_that_was_killed_is_done_by_another_once():
    with off() as cloud:
        text = {"text": "7 in 600 chunks", "pace_s": 0.02}
        id = cloud.accept("/jobs", {"model_type": "fake", "model": "numbered", "payload": text})
        with running_appliance(**cloud.machine) as killed:
            eventually(lambda: killed.jobs.queue()["running"], "it runs", 30)
            waits = cloud.accept("/jobs", JOB)  # behind it, for one model computes at a time
            eventually(lambda: cloud.status(waits)["status"] == "taken", "the other is in hand, too", 30)
        left = cloud.items("waiting")
        assert {left[each]["status"] for each in (id, waits)} == {"taken"}
        with running_appliance(**cloud.machine | {"SKYLARK_CLOUD__INSTANCE_ID": "i-0f1e2d3c4b5a69788"}):
            assert cloud.status(id)["status"] == "taken", "for two minutes nobody knows that it was killed"
            for each in (id, waits):
                cloud.table.put("waiting", each, {"lease_until": 0})
            assert cloud.ended(waits)["status"] == "done"
            result = cloud.ended(id)["result"]
            wav = cloud.fetch(result["audio"][0]["url"]).content
        samples, rate = soundfile.read(io.BytesIO(wav), dtype="int16")
        assert is_numbered(samples.astype("<i2").tobytes(), 7, 0)
        assert len(samples) == 60 * rate
        assert cloud.has_ended()[id]["attempts"] == 2
        assert cloud.waits() == 0


def test_a_machine_that_is_on_takes_work_in_too_and_gives_back_what_it_has_in_hand_when_it_stops():
    with off() as cloud:
        slow = {
            "model_type": "fake",
            "model": "numbered",
            "payload": {"text": "7", "chunks": 600, "pace_s": 0.05},
        }
        with running_appliance(**cloud.machine, SKYLARK_ENGINE__DRAIN_S="1") as appliance:
            id = cloud.accept("/jobs", slow)
            eventually(lambda: appliance.jobs.queue()["running"], "it runs", 30)
            assert cloud.status(id)["status"] == "taken"
            assert cloud.ask("DELETE", f"/accepted/{id}").status == 409
            assert appliance.stop() == 0
        assert cloud.status(id)["status"] == "waiting"
        assert cloud.ask("DELETE", f"/accepted/{id}").body["status"] == "withdrawn"
        assert cloud.waits() == 0
