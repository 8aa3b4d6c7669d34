"""A day of an appliance that Terraform has made: off, asked for, started, used, stopped, and what that cost.

The functions' real code runs with the environment that Terraform gave them; the load balancer follows the
rules in moto's AWS; the machine is a real appliance, which runs while moto says that the instance does.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import boto3
import pytest

import auto_stop.handler
import reception.handler
import start.handler
from appliance import price_api
from servers.cloud.table import BOOT, Table
from tests.acceptance.processes import Appliance, Session, eventually, free_port
from tests.cloud.balancer import Balancer, followed
from tests.cloud.functions import Functions
from tests.infra.fixtures import Applied

KEY = "value"
"""Of maria, whose hash tests/infra/full has."""
TEXT = "Good morning. The train to Oxford leaves at nine."
HANDLERS = {
    "auto-stop": auto_stop.handler.handler,
    "reception": reception.handler.handler,
    "start": start.handler.handler,
}
TICK_S, LOOK_S = 1.0, 0.2
"""EventBridge calls once a minute."""


class Machine:
    """The instance: an appliance that runs while EC2 says so, reached at its ports over the balancer."""

    def __init__(self, applied: Applied, balancer: Balancer) -> None:
        self._applied, self._balancer = applied, balancer
        self._id = applied.speech["instance_id"]
        self._table = Table(applied.client("dynamodb"), applied.speech["table"])
        self._appliance: Appliance | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="sky"))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        self.starts = 0
        self.exit_codes: list[int] = []

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        if self._appliance is not None:
            self._appliance.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def state(self) -> str:
        found = self._applied.client("ec2").describe_instances(InstanceIds=[self._id])
        return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            runs = self.state() == "running"
            if runs and self._appliance is None:
                self._boot()
            elif not runs and self._appliance is not None:
                self._balancer.ports.clear()
                self.exit_codes.append(self._appliance.stop())
                self._appliance.end()
                self._appliance = None

    def _boot(self) -> None:
        """As infra/user_data does it; what follows tells servers/monitor."""
        self.starts += 1
        self._table.put(BOOT, self._id, {"boot_at": time.time(), "image_at": None, "model_at": None})
        self._table.put(BOOT, self._id, {"image_at": time.time(), "audio_at": None})
        shutil.rmtree(self._folder / "logs", ignore_errors=True)
        port = free_port()
        self._appliance = Appliance(self._folder, **self._settings(port))
        ports = self._appliance.ports
        self._balancer.ports |= {5000: ports["tts"], 5001: ports["whisperx"], 5002: port}

    def _settings(self, engine_port: int) -> dict[str, str]:
        keys = self._applied.client("ssm").get_parameter(
            Name=self._applied.speech["api_keys_parameter"], WithDecryption=True
        )
        return self._applied.env | {
            "SKYLARK_API_KEYS": keys["Parameter"]["Value"],
            "SKYLARK_MONITOR__API_KEY": KEY,
            "SKYLARK_MONITOR__APPLIANCE": self._applied.speech["name"],
            "SKYLARK_MONITOR__PERIOD_S": "1",
            "SKYLARK_CLOUD__TABLE": self._applied.speech["table"],
            "SKYLARK_CLOUD__BUCKET": self._applied.speech["bucket"],
            "SKYLARK_CLOUD__HOLD_PARAMETER": self._applied.speech["holds_path"],
            "SKYLARK_CLOUD__INSTANCE_ID": self._id,
            "SKYLARK_ENGINE__PORT": str(engine_port),
        }


@contextmanager
def ticking(functions: Functions, name: str) -> Iterator[None]:
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(TICK_S):
            functions.begin(name, {"do": "tick"})

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class World:
    def __init__(self, applied: Applied, balancer: Balancer, functions: Functions, machine: Machine) -> None:
        self.applied, self.balancer, self.functions, self.machine = applied, balancer, functions, machine
        self.http = Session()
        self.http.headers["X-API-Key"] = KEY

    def ask(self, method: str, path: str, **options: Any) -> Any:
        return self.http.request(method, f"{self.balancer.url}{path}", **options)

    def fetched(self, url: str) -> bytes:
        """By whoever has the address, and no key."""
        with Session() as http:
            reply = http.get(url)
            assert reply.status_code == 200, reply.text
            return reply.content


@pytest.fixture
def world(applied: Applied, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(price_api, "_ask", lambda *_: ([], ["nobody is asked outside of this machine"]))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    reception.handler.KEPT.clear()  # of another AWS, whose parameter was called the same
    start.handler.WARM.keys.clear()
    name = f"skylark-{applied.speech['name']}"
    given = applied.client("lambda").get_function_configuration(FunctionName=f"{name}-start")
    for key, value in (given["Environment"]["Variables"] | applied.env).items():
        monkeypatch.setenv(key, value)
    functions = Functions({f"{name}-{each}": handler for each, handler in HANDLERS.items()})
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))  # the functions' log
        stack.enter_context(over_plain_http(applied))
        balancer = stack.enter_context(
            Balancer(applied.client("elbv2"), applied.speech["listener_arn"], functions)
        )
        applied.client("ec2").stop_instances(InstanceIds=[applied.speech["instance_id"]])
        machine = Machine(applied, balancer)
        stack.callback(machine.close)
        stack.enter_context(followed(balancer, functions))
        stack.enter_context(ticking(functions, f"{name}-start"))
        world = World(applied, balancer, functions, machine)
        stack.callback(world.http.close)
        yield world
        functions.close()
    assert functions.failures == []


@contextmanager
def over_plain_http(applied: Applied) -> Iterator[None]:
    """moto listens without TLS, and its bucket would refuse that, as it is told to."""
    s3, bucket = applied.client("s3"), applied.speech["bucket"]
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    yield
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


@pytest.fixture
def skylark(world: World, tmp_path: Path) -> Callable[..., str]:
    """The command line of somebody with a server_config.json, and nothing of AWS."""
    url = world.balancer.url
    config = {"server_url": f"{url}/tts", "whisper_url": f"{url}/whisperx", "api_key": KEY}
    (tmp_path / "server_config.json").write_text(json.dumps(config))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}

    def run(*arguments: object) -> str:
        """What it prints; it has to end well."""
        command = [sys.executable, "-m", "servers.cli", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_a_day_of_an_appliance_that_terraform_has_made(world, skylark, tmp_path):
    eventually(lambda: world.ask("GET", "/machine").json()["state"] == "off", "it is known to be off")
    wav = work_is_accepted_and_the_machine_started_for_it(world, skylark)
    assert words_heard(world, wav) >= 0.45
    speech_is_made_by_who_asks_the_balancer(world, skylark, tmp_path)
    it_is_stopped_by_who_may(world, skylark)
    the_ledger_tells_of_it(world, skylark)


def work_is_accepted_and_the_machine_started_for_it(world: World, skylark: Callable[..., str]) -> bytes:
    speech = {"input": TEXT, "voice": "alloy", "response_format": "wav"}
    accepted = world.ask("POST", "/v1/audio/speech", json=speech, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202, accepted.text
    now = world.ask("POST", "/tts/generate_batch", json={"texts": ["now"]})
    assert now.status_code == 503
    assert int(now.headers["Retry-After"]) > 0
    begun = skylark("start-gpu")
    stages = ("capacity", "boot", "image", "model", "audio")
    assert all(stage in begun for stage in stages), begun
    told: list[dict[str, Any]] = []

    def is_done() -> bool:
        told.append(world.ask("GET", accepted.json()["status_url"]).json())
        return bool(told[-1]["status"] == "done")

    eventually(is_done, "what was accepted is done")
    return world.fetched(told[-1]["result"]["url"])


def words_heard(world: World, wav: bytes) -> float:
    """How well the recording is the text, as the aligner behind the balancer says."""
    reply = world.ask("POST", "/whisperx/align", files={"file": ("a.wav", wav), "text": (None, TEXT)})
    assert reply.status_code == 200, reply.text
    return float(reply.json()["score"])


def speech_is_made_by_who_asks_the_balancer(world, skylark, folder: Path) -> None:
    skylark("say", TEXT, "--out", folder / "hi.wav", "--start-gpu")
    assert (folder / "hi.wav").stat().st_size > 50_000
    job = world.ask("POST", "/jobs", json={"model_type": "espeak", "payload": {"text": "so"}}).json()[
        "job_id"
    ]
    eventually(lambda: world.ask("GET", f"/jobs/{job}").json()["status"] == "done", "the job is done")
    assert world.machine.starts == 1


def it_is_stopped_by_who_may(world: World, skylark: Callable[..., str]) -> None:
    skylark("gpu", "hold", "2h", "--why", "a demonstration")
    shown = skylark("gpu", "status")
    assert "a demonstration" in shown
    assert world.ask("GET", "/machine").json()["state"] == "ready"
    skylark("stop-gpu", "--force")
    eventually(lambda: world.machine.exit_codes == [0], "the appliance has ended in order")
    assert world.ask("GET", "/tts/health").status_code == 503


def the_ledger_tells_of_it(world: World, skylark: Callable[..., str]) -> None:
    told = world.ask("GET", "/machine/ledger").json()
    events = [entry["event"] for entry in told["entries"]]
    assert {"start_asked", "start_ready", "hold", "stopped"} <= set(events)
    printed = skylark("gpu", "ledger")
    assert "maria" in printed
