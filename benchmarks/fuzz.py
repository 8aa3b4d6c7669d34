"""Bodies that nobody would send, to every endpoint of both doors and of the engine's port, and requests that
are no HTTP: each has a typed answer, none is a defect, and the appliance serves on.
"""

from __future__ import annotations

import base64
import copy
import json
import random
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

import requests

from benchmarks.figures import Figure
from benchmarks.stand import EXAMPLE
from servers.jobs.handover import HandedOver
from servers.jobs.job import Job
from tests.acceptance.processes import Appliance, free_port, running_appliance
from tests.web.malformed import MALFORMED
from tests.web.served import Client

SEED = 9
ADDED = ("odd", "task", "model", "instruct", "result_path", "audio_path")
DEFECTS = frozenset({500, 501, 502})
JOB = {"model_type": "fake", "payload": {"task": "synthesize", "text": "so", "chunks": 1}}
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 2**63, 10**400, float("nan"), float("inf")),
    *("", " ", "\x00", "🎉", "x" * 30_000, "<speak>so</speak>", "auto", "en", "1", "Infinity", "\ufffd"),
    *("../../etc/passwd", "/dev/zero", "/tmp", "file:///etc/passwd"),
    *([], [[]], [None], {}, {"": ""}, {"a": {"b": {"c": []}}}),
)


@dataclass
class Met:
    """What was answered, and what should not have been."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def note(self, what: str, reply: requests.Response) -> None:
        self.statuses[reply.status_code] += 1
        if reply.status_code in DEFECTS:
            self.faults.append(f"{what}: {reply.status_code} {reply.text[:300]}")
        elif reply.status_code >= 400:
            self._check_error(what, reply)

    def _check_error(self, what: str, reply: requests.Response) -> None:
        try:
            error = reply.json()["error"]
            typed = bool(error["code"] and error["message"] and error["request_id"])
        except (ValueError, KeyError, TypeError):
            typed = False
        if not typed:
            self.faults.append(f"{what}: {reply.status_code} without a typed error: {reply.text[:300]}")


def endpoints(recording: bytes, job_id: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(server, method, path, a body that is right)."""
    audio = base64.b64encode(recording).decode()
    speak = {"texts": ["One.", "Two."], "language": "en", "voice": "en", "seed": 1}
    align = {"audio": audio, "text": "so"}
    return [
        ("tts", "POST", "/generate_batch", speak),
        *(
            ("tts", "POST", f"{VOICE}{end}", {"text": "One."})
            for end in ("", "/stream", "/stream/with-timestamps")
        ),
        *(("tts", "GET", f"{VOICE}/{name}-input", {}) for name in ("stream", "multi-stream")),
        ("tts", "GET", "/v1/voices", {}),
        ("tts", "POST", "/v1/voices", NEW_VOICE | {"audio": audio}),
        ("tts", "GET", "/v1/voices/default", {}),
        ("tts", "DELETE", "/v1/voices/default", {}),
        ("tts", "POST", "/v1/tts", {"text": "One.", "format": "wav", "sample_rate": 24_000}),
        ("tts", "GET", f"/v1/audio/{job_id}", {}),
        *((server, *each) for server in ("tts", "whisperx") for each in OPENAIS),
        ("whisperx", "POST", "/transcribe", {"audio": audio, "language": "en"}),
        ("whisperx", "POST", "/align", align),
        ("whisperx", "POST", "/transcribe_batch", {"items": [{"audio": audio}], "priority": 1}),
        ("whisperx", "POST", "/align_batch", {"items": [align], "application_id": "a"}),
        ("engine", "POST", "/jobs", JOB | {"priority": 1, "ttl_ms": 1000}),
        ("engine", "POST", "/jobs/batch", {"jobs": [JOB, JOB]}),
        ("engine", "POST", "/jobs/stream", {"jobs": [JOB], "after": [None], "audio": True}),
        ("engine", "POST", "/jobs/handover", HANDED_OVER),
        ("engine", "GET", f"/jobs/{job_id}", {}),
        ("engine", "DELETE", f"/jobs/{job_id}", {}),
        ("engine", "POST", f"/jobs/{job_id}/cancel", {}),
        ("engine", "GET", f"/jobs/{job_id}/events", {}),
        ("engine", "GET", f"/jobs/{job_id}/audio", {}),
        ("engine", "GET", "/queue", {}),
        ("engine", "GET", "/activity", {}),
        ("engine", "GET", "/models", {}),
        ("engine", "POST", "/models/fake/one/load", {}),
        ("engine", "POST", "/models/fake/one/hold", {"seconds": 1}),
        ("engine", "POST", "/models/fake/one/pin", {}),
        ("engine", "DELETE", "/models/fake/one/pin", {}),
        ("engine", "POST", "/models/fake/one/unload", {}),
        ("engine", "PUT", "/gpu/config", {"idle_timeout_seconds": 300}),
        ("engine", "POST", "/cpu/segment", {"text": "One. Two."}),
        ("engine", "POST", "/cpu/normalize", {"text": "One."}),
        *((server, "GET", path, {}) for server in ("tts", "whisperx", "engine") for path in PROBED[server]),
    ]


VOICE = "/v1/text-to-speech/default"
NEW_VOICE = {"name": "fuzzed", "reference_text": "so", "consent": "It is my own voice."}
HANDED_OVER = HandedOver.of(Job("11111111-2222-4333-8444-555555555555", "fake", "one")).model_dump(
    mode="json"
)
OPENAIS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/v1/audio/speech", {"input": "One.", "response_format": "wav", "speed": 1.5}),
    ("POST", "/v1/audio/transcriptions", {}),
    ("POST", "/v1/audio/translations", {}),
    ("GET", "/v1/audio/voices", {}),
    ("GET", "/v1/models", {}),
    ("GET", "/v1/models/fake/one", {}),
)
DESCRIBED = ("/openapi.json", "/docs")
PROBED = {
    "tts": ("/health", "/ready", "/metrics", *DESCRIBED),
    "whisperx": ("/health", "/ready", "/metrics", *DESCRIBED),
    "engine": ("/health", "/metrics", *DESCRIBED),
}


def measure(bodies: int) -> list[Figure]:
    with running_appliance(SKYLARK_ENGINE__PORT=str(free_port())) as appliance:
        met = fuzz(appliance, bodies)
        wrong = malformed(appliance)
        alive = sum(
            appliance.http.get(appliance.url(door, "/ready")).status_code == 200 for door in appliance.ports
        )
    for fault in (*met.faults, *wrong):
        print(fault)
    return [
        Figure("bodies", met.statuses.total(), ""),
        *[Figure(f"… answered with {status}", count, "") for status, count in sorted(met.statuses.items())],
        Figure("… with a defect, or an error that is not typed", len(met.faults), "", 0),
        Figure("malformed requests", len(MALFORMED), ""),
        Figure("… with another answer than is right", len(wrong), "", 0),
        Figure("doors that are not ready afterwards", len(appliance.ports) - alive, "", 0),
    ]  # fmt: skip


def fuzz(appliance: Appliance, bodies: int) -> Met:
    met, dice = Met(), random.Random(SEED)
    ports = appliance.ports | {"engine": int(appliance.settings["SKYLARK_ENGINE__PORT"])}
    job_id = appliance.jobs.submit([JOB])[0]
    appliance.jobs.wait(job_id, timeout_s=60)
    known = endpoints(_recording(appliance), job_id)
    for number in range(bodies):
        server, method, path, right = known[number % len(known)]
        body, headers = _odd(right, dice)
        url = f"http://127.0.0.1:{ports[server]}{path}"
        reply = appliance.http.request(method, url, data=body, headers=headers, timeout=60)
        met.note(f"{method} {path} {body[:200]!r}", reply)
    return met


def malformed(appliance: Appliance) -> list[str]:
    """The names of the requests that a real door answers with another status than is right."""
    wrong = []
    for name, (data, right) in MALFORMED.items():
        address = ("127.0.0.1", appliance.ports["tts"])
        with socket.create_connection(address, 3 if None in right else 30) as sock:
            status: int | None = None
            try:
                sock.sendall(data)
                status = Client(sock).answer().status
            except (OSError, HTTPException):
                status = None
        if status not in right and not (status == 404 and 200 in right):
            wrong.append(f"{name}: {status}")
    return wrong


def _recording(appliance: Appliance) -> bytes:
    reply = appliance.post("tts", "/generate_batch", json={"texts": [EXAMPLE[:20]]})
    return base64.b64decode(reply.json()["results"][0]["audio"])


def _odd(right: dict[str, Any], dice: random.Random) -> tuple[bytes, dict[str, str]]:
    """A body that is wrong in one or several ways, or once in a while right."""
    way: Callable[[dict[str, Any], random.Random], bytes] = dice.choice(
        [_values, _values, _values, _bytes, _torn, _nested, _another_json]
    )
    kind = dice.choice(
        ["application/json", "application/json", "text/plain", "multipart/form-data; boundary=x", ""]
    )
    headers = {"Content-Type": kind} if kind else {}
    if dice.random() < 0.1:
        headers["Idempotency-Key"] = "x" * dice.choice([0, 1, 192, 193, 5000])
    return way(right, dice), headers


def _values(right: dict[str, Any], dice: random.Random) -> bytes:
    """Values anywhere in it replaced, fields left out and added."""
    body = copy.deepcopy(right)
    for _ in range(dice.randint(1, 3)):
        holder = dice.choice(_holders(body))
        key = (
            dice.choice(list(holder) if isinstance(holder, dict) else range(len(holder))) if holder else "odd"
        )
        match dice.randrange(4):
            case 0 if isinstance(holder, dict):
                holder.pop(key, None)
            case 1 if isinstance(holder, dict):
                holder[dice.choice(["odd", "task", "model", "instruct", "result_path", "audio_path"])] = (
                    dice.choice(ODD)
                )
            case _ if isinstance(holder, dict) or holder:
                holder[key] = copy.deepcopy(dice.choice(ODD))
    return json.dumps(body).encode()


def _holders(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [value] if isinstance(value, dict | list) else []
    return found + [holder for each in inner for holder in _holders(each)]


def _bytes(right: dict[str, Any], dice: random.Random) -> bytes:
    body = bytearray(json.dumps(right).encode())
    for _ in range(dice.randint(1, 20)):
        body[dice.randrange(len(body))] = dice.randrange(256)
    return bytes(body)


def _torn(right: dict[str, Any], dice: random.Random) -> bytes:
    body = json.dumps(right).encode()
    return body[: dice.randrange(len(body))]


def _nested(_right: dict[str, Any], dice: random.Random) -> bytes:
    deep = dice.choice([10, 1_000, 100_000])
    return dice.choice([b"[" * deep, b'{"texts":' * deep, b"[" * deep + b"]" * deep])


def _another_json(_right: dict[str, Any], dice: random.Random) -> bytes:
    return json.dumps(dice.choice(ODD)).encode()
