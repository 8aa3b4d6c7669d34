"""Fixture `applied`: the fullest configuration, really applied to moto's AWS over HTTP, then destroyed.

It takes two minutes, most of them waiting, and is made once for all tests in tests/infra/applied/, which run
in one process; whoever needs it has his tests there. A test leaves it as it was.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3

from servers.settings import ROOT
from tests.acceptance.processes import eventually, free_port
from tests.infra.terraform import Terraform, cli_configuration, missing, scratch

REGION = "eu-central-1"
GO = ("-auto-approve", "-input=false", "-no-color", "-parallelism=30")  # most of them only wait


@dataclass(frozen=True)
class Applied:
    speech: dict[str, Any]
    """The outputs of the appliance `speech`, which has one instance."""
    batch: dict[str, Any]
    """Of the appliance `batch`, which has a fleet."""
    endpoint: str
    env: dict[str, str]
    """With which boto3, and programs that use it, reach this AWS."""
    terraform: Terraform
    seconds: float
    """So long the apply took."""
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """boto3's; one for each service, and closed at the end."""
        if service not in self._clients:
            self._clients[service] = _client(service, self.endpoint)
        return self._clients[service]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@pytest.fixture(scope="session")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    if missing() is not None:
        pytest.skip(str(missing()))
    pytest.importorskip("moto.server", reason="moto, the AWS of the tests, is not installed")
    folder = tmp_path_factory.mktemp("applied")
    with moto_aws() as endpoint:
        env = {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        env |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        terraform = _configuration(folder, env, _image(endpoint))
        began = time.monotonic()
        terraform.must("apply", *GO)
        took_s = time.monotonic() - began
        outputs = terraform.outputs()
        made = Applied(outputs["speech"], outputs["batch"], endpoint, env, terraform, took_s)
        try:
            yield made
            terraform.must("destroy", *GO)
            still_there = left(made)
            assert not still_there, still_there
        finally:
            made.close()


@contextmanager
def moto_aws() -> Iterator[str]:
    """The URL of an AWS in which there is nothing."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    quick = {"MOTO_ACM_VALIDATION_WAIT": "0", "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.infra.moto_aws", str(port)],
        cwd=ROOT,
        env=os.environ | quick,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: _answers(url), "moto answers")
        yield url
    finally:
        server.kill()
        server.wait()


def left(applied: Applied) -> list[str]:
    """What of the appliances is still there."""
    tagged = applied.client("resourcegroupstaggingapi").get_paginator("get_resources")
    pages = tagged.paginate(TagFilters=[{"Key": "Appliance"}])
    found = [each["ResourceARN"] for page in pages for each in page["ResourceTagMappingList"]]
    found += [each["Name"] for each in applied.client("s3").list_buckets()["Buckets"]]
    found += applied.client("dynamodb").list_tables()["TableNames"]
    found += [each["RoleName"] for each in applied.client("iam").list_roles()["Roles"]]
    found += [each["Name"] for each in applied.client("ssm").describe_parameters()["Parameters"]]
    alive = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    for each in applied.client("ec2").describe_instances(Filters=alive)["Reservations"]:
        found += [instance["InstanceId"] for instance in each["Instances"]]
    # Terminated machines are seen for an hour, keys of nobody for a week, and holds are not Terraform's.
    not_its = (":instance/", ":kms:", "/holds/")
    return [each for each in found if not any(part in each for part in not_its)]


def _configuration(folder: Path, env: dict[str, str], image: str) -> Terraform:
    scratch(folder)
    shutil.copytree(ROOT / "tests" / "infra" / "full", folder / "full")
    terraform = Terraform(folder / "full", cli_configuration(folder), env | {"TF_VAR_ami_id": image})
    terraform.init()
    return terraform


def _image(endpoint: str) -> str:
    """An AMI to start a machine from: moto has none that Terraform can look up."""
    client = _client("ec2", endpoint)
    root = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 60, "VolumeType": "gp3"}}
    made = client.register_image(
        Name="a GPU's", Architecture="x86_64", RootDeviceName="/dev/sda1", BlockDeviceMappings=[root]
    )
    client.close()
    return str(made["ImageId"])


def _client(service: str, endpoint: str) -> Any:
    import boto3  # moto brings it

    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def _answers(url: str) -> bool:
    with urllib3.PoolManager(retries=False) as http:
        try:
            return http.request("GET", f"{url}/moto-api/data.json").status == 200
        except urllib3.exceptions.HTTPError:
            return False
