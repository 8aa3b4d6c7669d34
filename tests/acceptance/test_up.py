"""`skylark up` as a newcomer meets it: found from any folder, ended by Ctrl-C, clear about what it lacks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from servers.catalog import EXAMPLE
from servers.jobs.client import JobsClient
from servers.settings import ROOT
from servers.supervision.processes import DOORS, FINETUNE, PROXY, RPC
from tests.acceptance.processes import STAND_INS, START_S, Session, alive, eventually, free_port
from tests.backends import tiny_piper

LONG = {"text": "long", "chunks": 3000, "pace_s": 0.02}
needs_default = pytest.mark.skipif(
    find_spec("piper") is None or find_spec("faster_whisper") is None,
    reason="needs the extras [piper] and [faster-whisper]",
)


class Up:
    """`skylark up` on ports and a home of its own; `said` is what it printed by now."""

    def __init__(self, home: Path, *arguments: str, **settings: str) -> None:
        self.home, self.ports = home, {door.name: free_port() for door in DOORS}
        self.page_port, self.rpc_port, self.finetune_port = free_port(), free_port(), free_port()
        self._out = home / "up.out"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "XDG_STATE_HOME"},
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "SKYLARK_MODELS_FILE": str(STAND_INS / "models.yaml"),
            "SKYLARK_BACKENDS_PATH": f'["{STAND_INS}"]',
        }
        ports = {door.port_variable: str(self.ports[door.name]) for door in DOORS}
        ports |= {PROXY.port_variable: str(self.page_port), RPC.port_variable: str(self.rpc_port)}
        ports |= {FINETUNE.port_variable: str(self.finetune_port)}
        with self._out.open("wb") as out:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "servers.cli", "up", *arguments],
                env=self.environment | ports | {"SKYLARK_DATA_DIR": str(home / "d")} | settings,
                cwd=home,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.process = psutil.Process(self._popen.pid)

    @property
    def said(self) -> str:
        return self._out.read_text(encoding="utf-8")

    def wait_until_it_serves(self) -> None:
        def serves() -> bool:
            assert self._popen.poll() is None, self.said
            return "serving until Ctrl-C" in self.said

        eventually(serves, "it serves", START_S)

    def family(self) -> list[psutil.Process]:
        return self.process.children(recursive=True)

    def interrupt(self) -> None:
        self._popen.send_signal(signal.SIGINT)

    def ended(self, within_s: float = START_S) -> int:
        return self._popen.wait(within_s)

    def end(self) -> None:
        """Whatever state it is in, nothing of it is left."""
        family = [self.process, *self.family()] if self._popen.poll() is None else []
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        self._popen.wait(10)

    def skylark(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command in another folder, which nothing tells where to look."""
        return subprocess.run(
            [sys.executable, "-m", "servers.cli", *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: a Unix socket's has to fit 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="sky"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def up(home) -> Iterator[Up]:
    up = Up(home)
    try:
        up.wait_until_it_serves()
        yield up
    finally:
        up.end()


def begin_long_job(up: Up) -> str:
    engine = JobsClient(up.home / "d" / "engine.sock")
    (job_id,) = engine.submit([{"model_type": "fake", "payload": LONG}])
    eventually(lambda: engine.get(job_id)["status"] == "running", "the job runs")
    engine.close()
    return job_id


def test_commands_find_it_from_any_folder_as_long_as_it_runs(up):
    health = up.skylark("health")
    assert health.returncode == 0, health.stderr
    assert [line.split()[2] for line in health.stdout.splitlines()] == [
        f"http://127.0.0.1:{port}" for port in up.ports.values()
    ]
    assert up.skylark("queue").stdout == "0 running, 0 queued\n"
    up.interrupt()
    assert up.ended() == 0
    gone = up.skylark("queue")
    assert gone.returncode == 3
    assert "nothing runs from this checkout" in gone.stderr


def test_it_serves_voices_and_the_page_says_where_and_a_command_finds_the_page(up):
    page = f"http://127.0.0.1:{up.page_port}"
    assert (
        f"starting engine, tts, whisperx, rpc, finetune and proxy; logs in {up.home / 'd' / 'logs'}\n"
        in up.said
    )
    assert f"\npage  {page}\n" in up.said
    voices = f"http://127.0.0.1:{up.finetune_port}"
    assert f"\nfinetune  {voices}\n" in up.said
    with Session() as http:
        assert "<title>" in http.get(page).text
        assert http.get(voices).json()["service"] == "qwen3-tts-finetune-api"
    found = up.skylark("page", "--no-open")
    assert (found.returncode, found.stdout) == (0, f"{page}\n"), found.stderr


def test_it_speaks_grpc_says_where_and_a_command_finds_it(up):
    pytest.importorskip("grpc", reason="needs the extra [rpc]")
    assert f"\nrpc       127.0.0.1:{up.rpc_port}\n" in up.said
    spoken = up.skylark("rpc", "say", "Good morning.", "--out", str(up.home / "hello.wav"))
    assert spoken.returncode == 0, spoken.stderr
    assert [line.split()[2] for line in spoken.stdout.splitlines()[:-1]] == ["Good", "morning."]


def test_without_the_page_the_others_go_on(up):
    (proxy, *_) = (each for each in up.family() if "servers.proxy" in " ".join(each.cmdline()))
    proxy.kill()
    assert up.skylark("health").returncode == 0
    up.interrupt()
    assert up.ended() == 0


def test_ctrl_c_says_what_is_waited_for_and_a_second_one_ends_it_at_once(up):
    job_id = begin_long_job(up)
    family = up.family()
    assert len(family) > 6
    up.interrupt()
    waiting = "waiting for 1 job in hand, at most 50 s; Ctrl-C again ends it at once\n"
    eventually(lambda: waiting in up.said, "it says what is waited for")
    assert alive(family)
    up.interrupt()
    begun = time.monotonic()
    assert up.ended() == 130
    assert time.monotonic() - begun < 15, "it took as long as the job"
    eventually(lambda: not alive(family), "no process is left", 10)
    assert "ended at once: the jobs in hand are run again at the next start" in up.said
    assert job_id
    assert "{" not in up.said.partition("serving until Ctrl-C")[2]


def test_without_a_job_in_hand_it_just_stops(up):
    family = up.family()
    up.interrupt()
    assert up.ended() == 0
    assert up.said.endswith("serving until Ctrl-C\nstopping\nstopped\n")
    assert alive(family) == []


NOT_PULLED = """
backends:
  espeak: {default: espeak-ng, models: {espeak-ng: {}}}
  pocketsphinx: {default: en-us, models: {en-us: {}}}
  qwen3_tts: {default: big, models: {big: {checkpoint: /nonexistent/big, preload: true}}}
"""


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"SKYLARK_TTS__MODEL_TYPE": "nope"}, 2, "tts.model_type: no model_type 'nope'; known are espeak, "),
        ({"SKYLARK_TTS__HOST": "0.0.0.0"}, 2, "refusing to listen on 0.0.0.0 with no API key"),
        ({"SKYLARK_BACKENDS_PATH": "[]"}, 2, "no backend is called 'fake'; known are espeak, "),
        ({"SKYLARK_ENGINE__MAX_MODELS": "x"}, 2, "engine.max_models: "),
        ({"models": NOT_PULLED}, 1, "it loaded at the start: no checkpoint at /nonexistent/big: put a "),
        ({"SKYLARK_PROXY__HOST": "0.0.0.0"}, 1, "proxy does not start: refusing to serve the page beyond"),
        # what only a server itself finds out: in its own words, though they stand in a log
        ({"SKYLARK_ENGINE__DEVICE": "cuda:77"}, 1, "engine does not start: engine.device: there is no 'c"),
        ({"SKYLARK_DATABASE_URL": "postgresql://127.0.0.1:1/q"}, 1, "engine does not start: database_url: "),
    ],
    ids=["model_type", "no key", "backend", "setting", "checkpoint", "page", "device", "database"],
)  # fmt: skip
def test_what_keeps_it_from_starting_is_a_sentence(home, settings, code, says):
    if (models := settings.pop("models", None)) is not None:
        (home / "models.yaml").write_text(models)
        settings = {"SKYLARK_MODELS_FILE": str(home / "models.yaml")}
    up = Up(home, "--once", **settings)
    try:
        assert up.ended() == code, up.said
    finally:
        up.end()
    last = up.said.splitlines()[-1]
    assert last.startswith("skylark: ")
    assert says in last
    assert '{"' not in up.said
    assert "Traceback" not in up.said


CHECKPOINTS = """
piper-en-us-joe: {{licence: CC0-1.0, size_mb: 1, sources: [{{mirror: "{mirror}"}}]}}
whisper-base: {{licence: MIT, size_mb: 1, sources: [{{mirror: "{nowhere}"}}]}}
"""


def default_from(mirror: Path, home: Path) -> dict[str, str]:
    """The settings of the default, with nothing pulled by now, and only a mirror to pull from."""
    file = home / "checkpoints.yaml"
    file.write_text(CHECKPOINTS.format(mirror=mirror.as_uri(), nowhere=(home / "nowhere").as_uri()))
    return {
        "SKYLARK_MODELS_FILE": str(EXAMPLE),
        "SKYLARK_CHECKPOINTS_FILE": str(file),
        "SKYLARK_MODELS_DIR": str(home / "models"),
        "SKYLARK_ENGINE__DEVICE": "cpu",
    }


@needs_default
def test_where_nothing_can_be_pulled_it_says_so_and_goes_on_with_what_it_has(home):
    up = Up(home, "--once", **default_from(home / "nowhere", home))
    try:
        assert up.ended() == 0, up.said
    finally:
        up.end()
    assert "piper-en-us-joe cannot be pulled: " in up.said
    assert "whisper-base cannot be pulled: " in up.said
    assert "tts does without piper, and asks espeak: no checkpoint at " in up.said
    assert "whisperx does without faster_whisper, and asks pocketsphinx: no checkpoint at " in up.said
    assert "speaking examples/hello.txt (espeak/espeak-ng, voice en-US+klatt4)" in up.said
    assert "word error rate: " in up.said


@needs_default
def test_what_the_default_lacks_is_pulled_and_used(home):
    """The voice that comes is of noise, in which no word can be found again."""
    tiny_piper.write_checkpoint(home / "mirror" / "piper-en-us-joe", "model.onnx", "config.json")
    up = Up(home, "--once", **default_from(home / "mirror", home))
    try:
        assert up.ended() == 1, up.said
    finally:
        up.end()
    assert "piper-en-us-joe  2 files, " in up.said
    assert "does without piper" not in up.said
    assert "speaking examples/hello.txt (piper/voices, voice piper-en-us-joe)" in up.said
    assert up.said.splitlines()[-1].startswith("skylark: the text cannot be aligned")
