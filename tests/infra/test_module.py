"""infra/ as Terraform sees it: its form, whether it is valid, and the statements that are made about it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest

from servers.settings import ROOT
from tests.infra.terraform import Terraform, cli_configuration, needs_terraform, scratch

INFRA = ROOT / "infra"
EXAMPLES = sorted(folder.name for folder in (INFRA / "examples").iterdir() if folder.is_dir())
CONFIGURATIONS = [".", *(f"examples/{name}" for name in EXAMPLES)]
SCRIPTS = sorted((INFRA / "user_data").glob("skylark-*"))
RUN = re.compile(r'^run "(\w+)"', re.MULTILINE)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terraform")
    return scratch(folder), cli_configuration(folder)


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_it_is_formatted():
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", INFRA], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_terraform
def test_it_is_valid_and_nothing_in_it_is_warned_of(copied):
    infra, cli = copied
    terraform = Terraform(infra, cli)
    terraform.init()
    assert json.loads(terraform.must("validate", "-json"))["diagnostics"] == []


@needs_terraform
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_what_is_stated_of_it_is_so(copied, configuration):
    infra, cli = copied
    terraform = Terraform(infra / configuration, cli)
    terraform.init()
    stated = [name for file in _statements(configuration) for name in RUN.findall(file.read_text())]
    printed = terraform.must("test", "-no-color")
    assert stated
    assert f"{len(stated)} passed, 0 failed" in printed


def test_the_examples_are_those_that_the_readme_names():
    readme = (INFRA / "README.md").read_text()
    assert sorted(set(re.findall(r"examples/(\w+)/", readme))) == EXAMPLES


def test_the_readme_has_the_variables_and_outputs_as_they_are():
    done = subprocess.run(
        [sys.executable, INFRA / "document", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", ["variables.tf", "outputs.tf"])
def test_each_variable_and_output_says_what_it_is(file):
    text = (INFRA / file).read_text()
    blocks = len(re.findall(r'^(?:variable|output) "', text, re.MULTILINE))
    assert blocks > 10
    assert len(re.findall(r'^  description += ".{10,}"$', text, re.MULTILINE)) == blocks


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_bash_understands_what_the_machine_runs(script):
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_configuration_but_an_examples_has_a_provider_block():
    with_one = [file for file in INFRA.glob("*.tf") if 'provider "aws" {' in file.read_text()]
    assert with_one == []


def _statements(configuration):
    return sorted((INFRA / configuration / "tests").glob("*.tftest.hcl"))
