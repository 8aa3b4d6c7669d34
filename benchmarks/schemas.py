"""What schemathesis makes of each server's OpenAPI document, as requests to a running appliance: no defect,
no status and no content type that the document does not tell, and no answer to who has no key.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from servers.settings import ROOT
from tests.acceptance.processes import Appliance, free_port, running_appliance

KEY = "of-the-campaign"
SEED = 9
CONFIGURED = Path(__file__).with_name("schemathesis.toml")
TEXT = "So."
JOB = {"model_type": "fake", "payload": {"task": "synthesize", "text": "so", "chunks": 1}}


@dataclass(frozen=True)
class Guarded:
    """An appliance whose servers all need a key, and what clients can name in it."""

    ports: dict[str, int]
    known: dict[str, Any]


@dataclass(frozen=True)
class Found:
    """What schemathesis has seen of a server. `accepted` counts each operation's replies of 2xx."""

    requests: int
    failures: list[str]
    accepted: dict[str, int]
    output: str


def measure(examples: int) -> list[Figure]:
    figures = []
    with guarded_appliance() as guarded:
        for server in guarded.ports:
            found = schemathesis(guarded, server, examples)
            print("\n".join(found.failures and [found.output]), file=sys.stderr)
            figures += [
                Figure(f"{server}: requests", found.requests, ""),
                Figure("… answered with success", sum(found.accepted.values()), ""),
                Figure("… kinds of failure", len(found.failures), "", 0),
            ]
    return figures


@contextmanager
def guarded_appliance() -> Iterator[Guarded]:
    port = free_port()
    with running_appliance(SKYLARK_ENGINE__PORT=str(port), TTS_API_KEY=KEY) as appliance:
        appliance.http.headers["X-API-Key"] = KEY
        yield Guarded(appliance.ports | {"engine": port}, _known(appliance, port))


def schemathesis(guarded: Guarded, server: str, examples: int, *options: str) -> Found:
    """Tests the server's document with so many random requests to each operation, after those that
    schemathesis makes of each of its fields."""
    url = f"http://127.0.0.1:{guarded.ports[server]}/openapi.json"
    with tempfile.TemporaryDirectory() as name:
        known, report = Path(name, "known.json"), Path(name, "report.json")
        known.write_text(json.dumps(guarded.known), encoding="utf-8")
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURED), "run", url),
            *("--header", f"X-API-Key: {KEY}", "--max-examples", str(examples), "--seed", str(SEED)),
            *("--report", "json", "--report-json-path", str(report), "--no-color", *options),
        ]
        environment = {"SCHEMATHESIS_KNOWN": str(known), "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
        ended = subprocess.run(
            command, cwd=name, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        if not report.exists():
            raise RuntimeError(ended.stdout + ended.stderr)
        return _found(json.loads(report.read_text(encoding="utf-8")), ended.stdout)


def _found(report: dict[str, Any], output: str) -> Found:
    failures = [f"{each['title']}: {', '.join(each['operations'])}" for each in report["failures"]]
    accepted = {
        operation: sum(phase["accepted"] for phase in phases.values())
        for operation, phases in report["valid_rates"].items()
    }
    errors = [str(each) for each in report["errors"]]
    return Found(report["test_cases"]["generated"], failures + errors, accepted, output)


def _known(appliance: Appliance, engine: int) -> dict[str, Any]:
    """A voice, a model, a recording, a job that is done and a file that was spoken into."""
    spoken = appliance.post("tts", "/v1/tts", json={"text": TEXT}).json()
    file = appliance.post("tts", "/v1/tts", json={"text": TEXT, "output_mode": "file"}).json()
    jobs = f"http://127.0.0.1:{engine}/jobs"
    job_id = appliance.http.post(jobs, json=JOB).json()["job_id"]
    appliance.http.get(f"{jobs}/{job_id}", params={"wait": 50}).raise_for_status()
    return JOB | {
        "recording": base64.b64decode(spoken["audio"]).hex(),
        "audio": spoken["audio"],
        "audio_id": file["id"],
        "job_id": job_id,
        "name": "fake/one",
        "voice_id": "default",
        "text": TEXT,
        "input": TEXT,
    }
