"""The image: it is built, does what it is for without a network, and ends and fails as it should."""

from __future__ import annotations

import os
import subprocess

import pytest
import requests

from benchmarks.kill import kill_all
from servers.jobs.client import JobsClient
from servers.settings import ROOT
from tests.acceptance.containers import (
    IMAGE,
    STOOD_IN,
    Missing,
    build,
    call,
    engine,
    has_weights,
    running_container,
)
from tests.acceptance.processes import alive, eventually
from tests.acceptance.small_disk import Missing as NoDisk
from tests.acceptance.small_disk import small_disk
from tests.acceptance.switched import places

LONG = {"text": "paced", "chunks": 160, "pace_s": 0.05}
"""Eight seconds: more than the engine of these tests waits for a job in hand."""
BRIEF = {"text": "paced", "chunks": 60, "pace_s": 0.05}
EMBEDDED_MODELS = "--env=SKYLARK_MODELS_FILE=/app/config/models.example.yaml"
AT_ONCE = {"SKYLARK_WEB__STOP_NOTICE_S": "0"}
DISK_MB = 16
FULL = "No space left on device: user 10001 has to be able to write there, and there has to be room"


@pytest.fixture
def disk():
    try:
        with small_disk(DISK_MB) as disk:
            yield disk
    except NoDisk as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def image():
    try:
        build()
    except Missing as reason:
        pytest.skip(str(reason))
    return IMAGE


@pytest.fixture(scope="module")
def container(image):
    with running_container(**STOOD_IN, **AT_ONCE, SKYLARK_ENGINE__DRAIN_S="3") as container:
        container.wait_until_ready()
        yield container


def speak(container) -> requests.Response:
    return container.post("tts", "/generate_batch", json={"texts": ["Hello."]})


def submit(jobs: JobsClient, payload: dict) -> str:
    (job_id,) = jobs.submit([{"model_type": "fake", "payload": payload, "batch_key": ""}])
    return job_id


def running(jobs: JobsClient, job_id: str) -> bool:
    return jobs.get(job_id)["status"] == "running"


def test_it_speaks_hears_aligns_and_refuses_without_a_network_and_drains(image):
    options = EMBEDDED_MODELS if not has_weights() else ""
    smoked = subprocess.run(
        [str(ROOT / "scripts" / "smoke"), image, "--most-wrong", "0.3" if has_weights() else "0.8"],
        env=os.environ | {"CONTAINER_ENGINE": engine(), "RUN_OPTIONS": options},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert smoked.returncode == 0, smoked.stdout + smoked.stderr
    checks = [line.split()[3] for line in smoked.stdout.splitlines() if line.startswith("ok ")]
    assert checks == ["ready", "speaks", "hears", "aligns", "keys", "refuses", "drains"]


def test_sigterm_in_the_middle_of_jobs_ends_all_in_order_and_keeps_the_queue(container):
    in_hand, waiting = submit(container.jobs, LONG), submit(container.jobs, {"text": "waits"})
    eventually(lambda: running(container.jobs, in_hand), "a job runs")
    family = container.family()
    assert container.stop() == 0
    assert alive(family) == []
    stopped = [line["message"] for line in container.logs() if line["message"].startswith("stopped: ")]
    assert {line.split()[1] for line in stopped[:4]} == {"tts", "whisperx", "rpc", "finetune"}
    assert stopped[4].startswith("stopped: engine")

    container.start()
    container.wait_until_ready()
    assert container.jobs.wait(waiting, timeout_s=120)["status"] == "done"
    again = container.jobs.wait(in_hand, timeout_s=120)
    assert again["status"] == "done"
    assert again["result"]["duration_s"] == pytest.approx(16.0)
    logged = [line for line in container.logs() if line.get("action") == "request"]
    assert {line["process"] for line in logged} == {"tts", "whisperx"}
    assert all(line["request_id"] for line in logged)


@pytest.mark.parametrize(
    "victims",
    [["servers.runner"], ["servers.tts.app", "servers.whisperx.app"], ["servers.engine.app"]],
    ids=lambda victims: " ".join(victims),
)
def test_whatever_is_killed_comes_back_and_no_job_is_lost(container, victims):
    job = submit(container.jobs, BRIEF)
    eventually(lambda: running(container.jobs, job), "a job runs")
    killed = [process for victim in victims for process in container.named(victim)]
    assert killed
    kill_all(killed)
    eventually(lambda: not alive(killed), "they are gone")
    container.wait_until_ready()
    ended = container.jobs.wait(job, timeout_s=120)
    assert (ended["status"], ended["result"]["duration_s"]) == ("done", pytest.approx(6.0))
    assert speak(container).status_code == 200


def test_a_program_that_cannot_be_kept_running_ends_the_container_with_1(image):
    with running_container(**(STOOD_IN | AT_ONCE | {"SKYLARK_WHISPERX__MODEL_TYPE": "nothing"})) as container:
        family = container.family()
        assert container.wait() == 1
        assert alive(family) == []
        said = container.logs()
        assert "whisperx cannot be kept running: stopping everything" in [line["message"] for line in said]
        assert any("no model_type 'nothing'" in line["message"] for line in said)
        assert said[-1]["action"] == "end"


def test_a_full_volume_refuses_what_does_not_fit_and_works_again_once_there_is_room(image, disk):
    with running_container(disk.folder, **STOOD_IN, **AT_ONCE) as container:
        container.wait_until_ready()
        assert speak(container).status_code == 200
        disk.fill()
        refused = container.post("tts", "/generate_batch", json={"texts": ["word " * 3_000] * 4})
        assert (refused.status_code, refused.json()["error"]["code"]) == (507, "storage_failed")
        disk.free()
        eventually(lambda: speak(container).status_code == 200, "it speaks again")
        assert container.stop() == 0
        disk.fill()
        container.start()
        assert container.wait() == 1
        assert FULL in call("logs", container.id).stderr
        disk.free()
        container.start()
        container.wait_until_ready()
        assert speak(container).status_code == 200


def test_nobody_is_root_and_nothing_but_the_state_can_be_written(container):
    assert {process.uids().real for process in [container.process, *container.family()]} == {10_001}
    assert container.exec("python", "-c", WRITES).split() == ["refused", "refused", "refused", "written"]


WRITES = """
for path in ("/app/x", "/models/x", "/opt/venv/x", "/var/lib/skylark/x"):
    try:
        open(path, "w").close()
        print("written")
    except OSError:
        print("refused")
"""


def test_an_image_takes_anothers_place_once_it_is_smoked_and_makes_way_again(image, tmp_path):
    with places(tmp_path) as both:
        first = both.switch(image)
        assert first.returncode == 0, first.stdout + first.stderr
        assert both.serves(both.blue)

        bad = both.switch(image, "--env=SKYLARK_TTS__MODEL_TYPE=nothing")
        assert bad.returncode == 1
        assert bad.stderr.endswith(f"was removed; {both.name}-blue serves on\n")
        assert both.serves(both.blue)
        assert both.told() == [both.blue]

        second = both.switch(image)
        assert second.returncode == 0, second.stdout + second.stderr
        assert (both.serves(both.blue), both.serves(both.green)) == (False, True)

        back = both.switch("--back")
        assert back.returncode == 0, back.stdout + back.stderr
        assert (both.serves(both.blue), both.serves(both.green)) == (True, False)
        assert both.told() == [both.blue, both.green, both.blue]
