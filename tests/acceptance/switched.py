"""scripts/switch-image in a place of its own: names, ports and a state file that nobody else has."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from servers.settings import ROOT
from tests.acceptance.containers import KEY, call, engine
from tests.acceptance.processes import Session, free_port

MODELS = (
    "--env=SKYLARK_MODELS_FILE=/app/config/models.example.yaml --env=SKYLARK_TTS__MODEL_TYPE=espeak "
    "--env=SKYLARK_WHISPERX__MODEL_TYPE=pocketsphinx --env=SKYLARK_WEB__STOP_NOTICE_S=0"
)
SWITCH_S = 400.0


class Places:
    """Blue and green, and whatever tells the clients of them."""

    def __init__(self, folder: Path) -> None:
        self.name = f"skylark-test-{uuid.uuid4().hex[:8]}"
        self.blue, self.green = free_port(), free_port()
        self._told = folder / "told"
        self._hook = folder / "hook"
        self._hook.write_text(f'#!/bin/sh\necho "$1 $2" >>{self._told}\n')
        self._hook.chmod(0o755)
        self._environment = os.environ | {
            "CONTAINER_ENGINE": engine(),
            "XDG_STATE_HOME": str(folder / "state"),
            "TTS_API_KEY": KEY,
            "ON_SWITCH": str(self._hook),
            "BLUE_PORT": str(self.blue),
            "GREEN_PORT": str(self.green),
            "NAME": self.name,
            "SMOKE_OPTIONS": "--most-wrong 0.8",
        }

    def switch(self, wanted: str, options: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "scripts" / "switch-image"), wanted],
            env=self._environment | {"RUN_OPTIONS": f"{MODELS} {options}"},
            capture_output=True,
            text=True,
            timeout=SWITCH_S,
        )

    def told(self) -> list[int]:
        """The ports that clients were sent to, one after the other."""
        return [int(line.split()[0]) for line in self._told.read_text().splitlines()]

    def serves(self, port: int) -> bool:
        try:
            with Session() as http:
                return http.get(f"http://127.0.0.1:{port}/ready").status_code == 200
        except requests.ConnectionError:
            return False

    def end(self) -> None:
        for place in ("blue", "green"):
            call("kill", f"{self.name}-{place}", check=False)
            call("rm", "--force", f"{self.name}-{place}", check=False)
            call("volume", "rm", "--force", f"{self.name}-{place}", check=False)


@contextmanager
def places(folder: Path) -> Iterator[Places]:
    found = Places(folder)
    try:
        yield found
    finally:
        found.end()
