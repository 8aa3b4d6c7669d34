"""From the command line to the machine: by the balancer's rules and the real functions, in moto's AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

import reception.handler
import start.handler
from appliance import price_api
from appliance.table import BOOT, LEDGER
from servers.cli import app, start_gpu
from servers.settings import ROOT
from tests.cli.stand_in_servers import StandIn
from tests.cloud.balancer import Balancer, followed
from tests.cloud.functions import Functions
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import NAME, REGION, SECRET, SERVICES, Cloud, an_instance

aws = fixtures.aws
STAGES = ("boot_at", "image_at", "model_at", "audio_at")


class Machine:
    """One that boots a stage at each look, and whose doors answer from its last one on."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.doors = cloud, StandIn()
        self.doors.key = SECRET
        self.told: list[str] = []
        self.boots = True

    def close(self) -> None:
        self.doors.close()

    def looked_at(self) -> None:
        if self.boots and self.cloud.state() == "running" and len(self.told) < len(STAGES):
            stage = STAGES[len(self.told)]
            self.told.append(stage)
            self.cloud.table().update(BOOT, self.cloud.variables["INSTANCE_ID"], {stage: time.time()})

    @property
    def speaks(self) -> bool:
        return len(self.told) == len(STAGES)


@pytest.fixture
def cloud(aws, monkeypatch) -> Cloud:
    aws.now = time.time()
    id = an_instance(aws, InstanceType="g5.xlarge")
    elbv2 = aws.outside("elbv2")
    for group in elbv2.describe_target_groups()["TargetGroups"]:
        if group["TargetType"] == "instance":
            arn, port = group["TargetGroupArn"], group["Port"]
            elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": id, "Port": port}])
            elbv2.modify_target_group(TargetGroupArn=arn, HealthCheckPath="/ready")
    aws.outside("ec2").stop_instances(InstanceIds=[id])
    reception = aws.variables["RECEPTION_TARGET_GROUP"]
    elbv2.register_targets(TargetGroupArn=reception, Targets=[{"Id": function("reception")}])
    machine = elbv2.create_target_group(Name=f"{NAME}-machine", TargetType="lambda")["TargetGroups"][0]
    elbv2.register_targets(TargetGroupArn=machine["TargetGroupArn"], Targets=[{"Id": function("start")}])
    elbv2.create_rule(
        ListenerArn=listener(aws),
        Priority=50,
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/machine", "/machine/*"]}}],
        Actions=[{"Type": "forward", "TargetGroupArn": machine["TargetGroupArn"]}],
    )
    for name, value in aws.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(price_api, "_ask", lambda *_: ([], ["nobody is asked outside of this machine"]))
    return aws


def function(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:123456789012:function:{NAME}-{name}"


def listener(cloud: Cloud) -> str:
    elbv2 = cloud.outside("elbv2")
    (balancer,) = elbv2.describe_load_balancers()["LoadBalancers"]
    (found,) = elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    return str(found["ListenerArn"])


@pytest.fixture
def machine(cloud) -> Iterator[Machine]:
    made = Machine(cloud)
    yield made
    made.close()


@pytest.fixture
def balancer(cloud, machine, monkeypatch) -> Iterator[Balancer]:
    """With the functions behind it, and the doors of the machine once they speak."""

    def started(event: Any, context: Any) -> Any:
        machine.looked_at()
        made.ports = dict.fromkeys(SERVICES.values(), machine.doors.port) if machine.speaks else {}
        return start.handler.handler(event, context)

    handlers = {f"{NAME}-start": started, f"{NAME}-reception": reception.handler.handler}
    functions = Functions(handlers)
    with Balancer(cloud.outside("elbv2"), listener(cloud), functions) as made, followed(made, functions):
        yield made
        functions.close()
    assert functions.failures == []


@pytest.fixture
def skylark(balancer, tmp_path, monkeypatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(start_gpu, "POLL_S", 0.01)
    urls = {"server_url": f"{balancer.url}/tts", "whisper_url": f"{balancer.url}/whisperx", "api_key": SECRET}
    (tmp_path / "server_config.json").write_text(json.dumps(urls))

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(each) for each in arguments])

    return run


@pytest.fixture
def shell(skylark) -> Any:
    """A process of its own: what the functions print is not among what the command does."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "servers.cli", *arguments]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=60
        )

    return run


def events(cloud: Cloud) -> list[str]:
    return [entry["event"] for entry in cloud.table().all(LEDGER)]


def test_a_text_is_spoken_by_a_machine_that_was_off(skylark, cloud, machine, tmp_path):
    result = skylark("say", "Hello.", "--out", "hi.wav", "--start-gpu")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "hi.wav").read_bytes() == b"audio of Hello."
    assert [line.split()[0] for line in result.stderr.splitlines()[:5]] == [
        "capacity", "boot", "image", "model", "first",
    ]  # fmt: skip
    assert events(cloud) == ["start_asked", "start_ready"]
    (asked, _) = cloud.table().all(LEDGER)
    assert (asked["by"], asked["why"]) == ("maria", "skylark say")


def test_without_the_option_it_is_off_and_starts(skylark, cloud, machine):
    result = skylark("say", "Hello.")
    assert result.exit_code == 3
    assert "with --start-gpu waits until it is ready" in result.stderr


def test_a_day_of_the_machine(skylark, shell, cloud, machine):
    assert shell("gpu", "status").stdout.splitlines()[0] == "state    off"
    assert skylark("start-gpu", "--why", "chapter 3", "--hold", "1h").exit_code == 0
    assert shell("gpu", "hold", "2h", "--why", "a demonstration").returncode == 0
    said = shell("gpu", "status").stdout
    assert "by maria (a demonstration)" in said
    assert "g5.xlarge" in said
    refused = shell("stop-gpu")
    assert (refused.returncode, "(`skylark stop-gpu --force`)" in refused.stderr) == (1, True)
    stopped = shell("stop-gpu", "--force", "--why", "done for today")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert cloud.state() == "stopped"
    lines = shell("gpu", "ledger").stdout.splitlines()
    assert "chapter 3" in lines[1]
    assert "done for today" in lines[1]
    assert "  chapter 3, maria  once" in lines
    (run,) = json.loads(shell("gpu", "ledger", "--json").stdout)["totals"]["runs"]
    assert (run["purpose"], run["ended"]) == ("chapter 3", "stopped")
    assert run["dollars"] == pytest.approx(run["hours"] * 1.258)
    assert events(cloud) == ["start_asked", "start_ready", "hold", "stop_refused", "stopped"]


def test_a_wrong_key_is_refused_by_the_real_thing(skylark, monkeypatch):
    monkeypatch.setenv("TTS_API_KEY", "a wrong one")
    result = skylark("start-gpu")
    assert (result.exit_code, "a valid API key is needed" in result.stderr) == (1, True)


def test_days_that_are_none_are_refused_by_the_real_thing(skylark):
    result = skylark("gpu", "ledger", "--days", "400")
    assert result.exit_code == 1
    assert "days is a number from 1 to 366" in result.stderr
