"""The main flow in stock Firefox, over WebDriver BiDi: it has other audio, forms and IndexedDB."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.processes import eventually

DRIVER = Path(__file__).parent / "firefox"
WITHIN_S = 300
TEXT = "Good morning, and welcome. We have three things to talk about."
SOUND = ("--load=module-null-sink", "--load=module-native-protocol-unix")


def program(*names: str) -> str:
    """The first that is installed."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"the page's test in Firefox needs {names[0]}")
    return found


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A sound server that plays to nobody: without one Firefox's AudioContext never starts."""
    folder = tmp_path_factory.mktemp("sound")
    folder.chmod(0o700)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)}
    server = subprocess.Popen(
        [program("pulseaudio"), "-n", "--daemonize=no", "--exit-idle-time=-1", *SOUND],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually((folder / "pulse" / "native").exists, "the sound server listens")
        yield environment
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="module")
def told(proxy, recording, sound) -> dict:
    """What happened in Firefox."""
    node, firefox = program("node"), program("firefox-esr", "firefox")
    if not (DRIVER / "node_modules" / "puppeteer-core").exists():
        pytest.skip(f"the page's test in Firefox needs: npm install --no-package-lock --prefix {DRIVER}")
    arguments = [firefox, proxy.url, str(recording), TEXT]
    drive = subprocess.Popen(
        [node, "drive.mjs", *arguments],
        cwd=DRIVER,
        env=sound,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = drive.communicate(timeout=WITHIN_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(drive.pid, signal.SIGKILL)  # and the browser that it has started
        drive.communicate()
    assert drive.returncode == 0, err
    return json.loads(out)


def test_each_word_lights_up_while_it_is_spoken(told):
    words = iter(TEXT.split())
    assert all(word in words for word in told["lit"]), told[
        "lit"
    ]  # in their order; a slow machine skips some
    assert told["lit"][-1] == "about."
    assert len(told["lit"]) > 5


def test_what_is_spoken_is_played(told):
    assert told["heard"]["peak"] > 0.05
    assert any(state == "running" and clock > 1 for state, clock in told["heard"]["clocks"])


def test_a_recording_is_heard(told):
    assert "three" in told["transcript"]


def test_the_microphone_records(told):
    assert told["loud"]
    assert told["recorded"]


def test_nothing_is_on_the_console_and_nobody_else_is_asked(told, proxy):
    assert told["said"] == []
    assert [url for url in told["asked"] if not url.startswith((proxy.url, "blob:", "data:"))] == []
