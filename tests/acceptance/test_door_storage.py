"""A disk that is really full, or a missing folder, under the door that takes recordings: 507, and why."""

from __future__ import annotations

import base64
import io
import shutil

import numpy as np
import pytest
import soundfile

from tests.acceptance.processes import running_appliance
from tests.acceptance.small_disk import Missing, small_disk

DISK_MB = 8


def silence(seconds: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(16_000 * seconds), np.int16), 16_000, format="WAV")
    return file.getvalue()


SHORT, LONG = silence(1.0), silence(40.0)  # the long one is more than a form keeps in memory


@pytest.fixture(scope="module")
def disk():
    try:
        with small_disk(DISK_MB) as disk:
            yield disk
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def appliance(disk):
    """Uploads and temporary files are on the small disk, the queue is not."""
    (disk.folder / "tmp").mkdir()
    (disk.folder / "uploads").mkdir()
    with running_appliance(TMPDIR=str(disk.folder / "tmp")) as appliance:
        uploads = appliance.folder / "uploads"
        uploads.rmdir()
        uploads.symlink_to(disk.folder / "uploads")
        yield appliance


def as_json(appliance, audio: bytes):
    return appliance.post("whisperx", "/transcribe", json={"audio": base64.b64encode(audio).decode()})


def as_form(appliance, audio: bytes):
    return appliance.post("whisperx", "/transcribe", files={"file": audio})


def refusal(reply) -> tuple[int, str, str]:
    assert reply.headers["Content-Type"].startswith("application/json"), reply.text
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["message"]


@pytest.mark.parametrize(("send", "audio"), [(as_json, SHORT), (as_form, SHORT), (as_form, LONG)])
def test_a_recording_that_does_not_fit_on_the_disk_is_507_and_taken_once_there_is_room(
    appliance, disk, send, audio
):
    disk.fill()
    try:
        status, code, message = refusal(send(appliance, audio))
    finally:
        disk.free()
    assert (status, code) == (507, "storage_failed")
    assert "make room" in message
    assert str(disk.folder) not in message
    assert send(appliance, audio).status_code == 200
    assert list((disk.folder / "uploads").iterdir()) == []


@pytest.mark.parametrize(("folder", "send", "audio"), [("uploads", as_json, SHORT), ("tmp", as_form, LONG)])
def test_a_folder_that_is_gone_is_507_and_said(appliance, disk, folder, send, audio):
    shutil.rmtree(disk.folder / folder)
    try:
        assert refusal(send(appliance, audio))[:2] == (507, "storage_failed")
        assert "a folder is missing" in refusal(send(appliance, audio))[2]
    finally:
        (disk.folder / folder).mkdir()
    assert send(appliance, audio).status_code == 200
