"""The machine that Terraform made, in small: its user data, as EC2 has it, runs on this one.

Only the folders are others, and Docker, systemd and what mounts are stand-ins (tests/infra/stand_ins), which
write down what they are told. The scripts are real, and so are the metadata service, table and parameters.
"""

from __future__ import annotations

import base64
import email
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.settings import ROOT
from tests.infra.fixtures import Applied
from tests.monitor.imds import Imds, running_imds

STAND_INS = ROOT / "tests" / "infra" / "stand_ins"
ONLY_TOLD = ("systemctl", "mountpoint", "mount", "blkid", "mkfs.ext4", "chown")
FOLDERS = (
    "/usr/local/bin",
    "/etc/systemd/system",
    "/etc/skylark",
    "/run/skylark",
    "/var/lib/skylark",
    "/dev/disk/by-id",
)
LONGEST_S = 60.0


@dataclass
class Machine:
    root: Path
    applied: Applied
    outputs: dict[str, Any]
    """Of its appliance."""
    instance_id: str
    imds: Imds

    @property
    def told(self) -> Path:
        return self.root / "told"

    def install(self, user_data: str) -> None:
        """Runs the script in the user data, as cloud-init does at each boot."""
        script = self.root / "user_data"
        script.write_text(self._here(shell_script(user_data)))
        done = subprocess.run(
            ["bash", script], env=self._environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        program = self.root / "usr/local/bin" / command[0]
        return subprocess.run(
            [program, *command[1:]],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )

    def shut_down(self) -> None:
        """What is in memory is gone; the volume and Docker's images stay."""
        for file in sorted((self.root / "run/skylark").rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        (self.told / "calls").write_text("")

    def calls(self, program: str) -> list[str]:
        """How it was called, the first first."""
        lines = (self.told / "calls").read_text().splitlines()
        return [line.partition(" ")[2] for line in lines if line.split()[0] == program]

    def say(self, file: str, text: str) -> None:
        """To a stand-in."""
        (self.told / file).write_text(text)

    def boot(self) -> dict[str, Any]:
        """What the table has of this machine's start."""
        key = {"kind": {"S": "boot"}, "id": {"S": self.instance_id}}
        item = self.applied.client("dynamodb").get_item(TableName=self.outputs["table"], Key=key)
        return {name: next(iter(value.values())) for name, value in item.get("Item", {}).items()}

    def release(self, value: str) -> None:
        self.applied.client("ssm").put_parameter(
            Name=self.outputs["release_parameter"], Value=value, Overwrite=True
        )

    def environment_file(self, place: str = "blue") -> dict[str, str]:
        lines = (self.root / f"run/skylark/{place}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def _here(self, script: str) -> str:
        for folder in FOLDERS:
            script = re.sub(f"(?<!:){folder}", f"{self.root}{folder}", script)  # after : a container's
        return script.replace("http://169.254.169.254", self.imds.url)

    def _environment(self) -> dict[str, str]:
        path = [
            str(self.root / "usr/local/bin"),
            str(self.root / "stand_ins"),
            str(Path(sys.executable).parent),
        ]
        return {
            **self.applied.env,
            "PATH": os.pathsep.join([*path, os.environ["PATH"]]),
            "TOLD": str(self.told),
            "HOME": str(self.root),
        }


@contextmanager
def machine(folder: Path, applied: Applied) -> Iterator[Machine]:
    """The instance of `speech`; its user data was installed, it was never booted, and has no image."""
    instance_id = applied.speech["instance_id"]
    asked = applied.client("ec2").describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
    with _installed(folder, applied, applied.speech, instance_id, asked["UserData"]["Value"]) as made:
        yield made


@contextmanager
def machine_of_fleet(folder: Path, applied: Applied) -> Iterator[Machine]:
    """One that the group of `batch` might start."""
    asked = applied.client("ec2").describe_launch_template_versions(
        LaunchTemplateName=applied.batch["group_name"], Versions=["$Latest"]
    )
    (version,) = asked["LaunchTemplateVersions"]
    user_data = version["LaunchTemplateData"]["UserData"]
    with _installed(folder, applied, applied.batch, "i-0123456789abcdef0", user_data) as made:
        yield made


@contextmanager
def _installed(
    folder: Path, applied: Applied, outputs: dict[str, Any], instance_id: str, user_data: str
) -> Iterator[Machine]:
    with running_imds() as imds:
        imds.instance_id, imds.instance_type = instance_id, "g4dn.xlarge"
        made = Machine(folder, applied, outputs, instance_id, imds)
        _furnish(folder)
        at_first = applied.client("ssm").get_parameter(Name=outputs["release_parameter"])
        made.install(base64.b64decode(user_data).decode())
        try:
            yield made
        finally:
            made.release(at_first["Parameter"]["Value"])
            key = {"kind": {"S": "boot"}, "id": {"S": instance_id}}
            applied.client("dynamodb").delete_item(TableName=outputs["table"], Key=key)


def shell_script(user_data: str) -> str:
    """The part of user data that cloud-init runs."""
    parts = email.message_from_string(user_data).get_payload()
    (script,) = [part for part in parts if part.get_content_type() == "text/x-shellscript"]
    return str(script.get_payload())


def _furnish(folder: Path) -> None:
    stand_ins, told = folder / "stand_ins", folder / "told"
    told.mkdir()
    (told / "calls").touch()
    (told / "images").touch()
    stand_ins.mkdir()
    for name in ("aws", "docker"):
        (stand_ins / name).symlink_to(STAND_INS / name)
    for name in ONLY_TOLD:
        (stand_ins / name).symlink_to(STAND_INS / "told")
    volume = folder / "dev/disk/by-id"
    volume.mkdir(parents=True)
