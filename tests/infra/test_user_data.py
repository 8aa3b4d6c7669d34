"""What the machine's scripts do, with stand-ins for all that they call; tests/infra/applied/ has more."""

from __future__ import annotations

import configparser
import os
import subprocess

import pytest

from servers.settings import ROOT

USER_DATA, STAND_INS = ROOT / "infra" / "user_data", ROOT / "tests" / "infra" / "stand_ins"
REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/skylark-speech"
BLUE, GREEN, OLD = (f"{REPOSITORY}@sha256:{64 * digit}" for digit in "abc")
FOLDERS = ("/etc/skylark", "/run/skylark", "/var/lib/skylark", "/dev/disk/by-id")
AWS = f"""#!/usr/bin/env bash
case "$2 $*" in
  get-login-password*) echo "a warning" >&2; [ ! -e "$TOLD/no-token" ] && echo the-password ;;
  *release*) echo '{{"live": "blue", "blue": "{BLUE}", "green": "{GREEN}"}}' ;;
  *) echo maria:{64 * "0"} ;;
esac
"""


class Machine:
    """One with a volume of its own, which is there and not mounted."""

    def __init__(self, root):
        self.root, self.told = root, root / "told"
        for folder in ("bin", "told", "etc/skylark", "run/skylark", "var/lib/skylark", "dev/disk/by-id"):
            (root / folder).mkdir(parents=True)
        for name in ("calls", "images"):
            (self.told / name).touch()
        (root / "bin" / "aws").write_text(AWS)
        (root / "bin" / "skylark-metadata").write_text("#!/usr/bin/env bash\necho g4dn.xlarge\n")
        (root / "bin" / "skylark-report").write_text('#!/usr/bin/env bash\necho "$*" >>"$TOLD/reports"\n')
        for name in ("skylark-boot", "skylark-place"):
            text = (USER_DATA / name).read_text()
            for folder in FOLDERS:
                text = text.replace(f" {folder}", f" {root}{folder}").replace(
                    f"={folder}", f"={root}{folder}"
                )
                text = text.replace(f'"{folder}', f'"{root}{folder}')
            (root / "bin" / name).write_text(text)
        for program in (root / "bin").iterdir():
            program.chmod(0o755)
        (root / "bin" / "docker").symlink_to(STAND_INS / "docker")
        for name in ("systemctl", "mountpoint", "mount", "blkid", "mkfs.ext4", "chown"):
            (root / "bin" / name).symlink_to(STAND_INS / "told")
        (root / "dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a").touch()
        (root / "etc/skylark/settings.g4dn").touch()
        words = f"TABLE=t\nREPOSITORY={REPOSITORY}\nRELEASE_PARAMETER=/release\nKEYS_PARAMETER=/keys\n"
        (root / "etc/skylark/appliance").write_text(f"{words}STATE_VOLUME=vol-0a\n")

    def run(self, *words):
        env = {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "TOLD": str(self.told),
            "HOME": str(self.root),
        }
        return subprocess.run(
            [self.root / "bin" / words[0], *words[1:]],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def calls(self, program):
        lines = (self.told / "calls").read_text().splitlines()
        return [line.partition(" ")[2] for line in lines if line.split()[0] == program]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_place_does_not_run_without_its_volume(machine):
    (machine.root / "run/skylark/blue.image").write_text(BLUE)
    done = machine.run("skylark-place", "blue", "--run")
    assert (done.returncode, done.stderr) == (1, "skylark: the volume vol-0a is not mounted\n")
    assert machine.calls("docker") == []
    assert (machine.told / "reports").read_text() == "fault the volume vol-0a is not mounted\n"


def test_once_it_is_mounted_the_place_runs(machine):
    assert machine.run("skylark-boot").returncode == 0
    done = machine.run("skylark-place", "blue", "--run")
    assert done.returncode == 0, done.stderr
    assert machine.calls("docker")[-1].endswith(BLUE)


def test_what_is_on_the_volume_is_read_from_it_and_not_remembered(machine):
    assert machine.run("skylark-boot").returncode == 0
    (asked,) = machine.calls("blkid")
    assert asked.startswith("-p ")


@pytest.mark.parametrize(
    ("images", "removed"), [([BLUE, GREEN], []), ([BLUE, OLD, GREEN], [f"image rm {OLD}"])]
)
def test_only_old_images_are_removed_and_nothing_is_said_of_some_that_are_not_there(machine, images, removed):
    (machine.told / "images").write_text("".join(f"{image}\n" for image in images))
    done = machine.run("skylark-boot")
    assert (done.returncode, done.stderr) == (0, "")
    assert [call for call in machine.calls("docker") if call.startswith("image rm")] == removed


def test_what_the_command_line_warns_of_is_no_part_of_the_password(machine):
    assert machine.run("skylark-place", "blue", BLUE).returncode == 0
    assert (machine.told / "password").read_text() == "the-password\n"


def test_why_ecr_lets_it_not_in_is_told(machine):
    (machine.told / "no-token").touch()
    done = machine.run("skylark-place", "blue", BLUE)
    assert done.returncode == 1
    assert done.stderr == "skylark: ECR lets the machine not in: a warning\n"


@pytest.mark.parametrize("unit", ["skylark.service", "skylark@.service"])
def test_what_is_in_the_way_may_be_gone_at_any_time_so_it_is_tried_for_ever(unit):
    found = configparser.ConfigParser(interpolation=None)
    found.read(USER_DATA / unit)
    assert found["Unit"]["StartLimitIntervalSec"] == "0"
    assert (found["Service"]["Restart"], found["Service"]["RestartSec"]) == ("on-failure", "30")
