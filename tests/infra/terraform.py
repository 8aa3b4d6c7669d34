"""Terraform, where it and its provider for AWS are on this machine: nothing is downloaded.

The provider is looked for as a mirror, a folder registry.terraform.io: in $SKYLARK_TF_MIRROR, below /opt, and
in ~/.terraform.d. `scratch` copies infra/: what Terraform writes beside it is not in the checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from servers.settings import ROOT

REGISTRY, PROVIDER = "registry.terraform.io", "hashicorp/aws"
LONGEST_S = 600.0
LEFT_OUT = shutil.ignore_patterns(".terraform*", "*.tfstate*", "build", "__pycache__")


@cache
def mirror() -> Path | None:
    """The folder in which the provider's folder registry.terraform.io is."""
    named = os.environ.get("SKYLARK_TF_MIRROR")
    places = [Path(named)] if named else []
    places += [Path("/opt"), *sorted(Path("/opt").glob("*/")), Path.home() / ".terraform.d"]
    places += [place / "plugins" for place in places] + [place / "providers" for place in places]
    return next((place for place in places if (place / REGISTRY / PROVIDER).is_dir()), None)


def missing() -> str | None:
    """Why there is no Terraform here, if there is none."""
    if shutil.which("terraform") is None:
        return "terraform is not installed"
    return None if mirror() else f"no mirror of Terraform's provider {PROVIDER} is on this machine"


needs_terraform = pytest.mark.skipif(missing() is not None, reason=missing() or "")


class Terraform:
    """One configuration. `environment` is added to that of every call."""

    def __init__(self, folder: Path, cli: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(cli.parent),
            "TF_CLI_CONFIG_FILE": str(cli),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            **(environment or {}),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Whatever comes of it."""
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )

    def must(self, *arguments: str) -> str:
        """What it printed; fails with its errors."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"terraform {arguments[0]}:\n{_errors(done.stdout + done.stderr)}"
        return done.stdout

    def init(self) -> None:
        self.must("init", "-input=false", "-no-color", "-backend=false")

    def outputs(self) -> dict[str, Any]:
        return {name: each["value"] for name, each in json.loads(self.must("output", "-json")).items()}


def scratch(folder: Path) -> Path:
    """A copy of infra/ in the folder, with an archive of the functions; its path."""
    shutil.copytree(ROOT / "infra", folder / "infra", ignore=LEFT_OUT)
    archive = folder / "infra" / "build" / "functions.zip"
    subprocess.run([sys.executable, ROOT / "infra" / "archive", archive], check=True, capture_output=True)
    return folder / "infra"


def cli_configuration(folder: Path) -> Path:
    """A file by which Terraform takes providers from the mirror, and from nowhere else."""
    file = folder / "terraform.rc"
    file.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror()}"\n  }}\n}}\n')
    return file


def _errors(printed: str) -> str:
    """From the first error on."""
    return printed[max(0, printed.find("Error")) :]
