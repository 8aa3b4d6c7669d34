"""The machine's scripts, as Terraform gives them to EC2: what they tell the table, and have Docker do."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import time
from hashlib import sha256

import pytest

from servers.settings import Settings
from tests.infra.applied.machine import machine as machine_of_terraform
from tests.infra.applied.machine import machine_of_fleet

DIGEST, OTHER_DIGEST = "sha256:" + 64 * "a", "sha256:" + 64 * "b"
EXISTS, EMPTY, BROKEN = "0", "2", "8"


@pytest.fixture
def image(applied):
    return f"{applied.speech['repository_url']}@{DIGEST}"


@pytest.fixture
def other_image(applied):
    return f"{applied.speech['repository_url']}@{OTHER_DIGEST}"


@pytest.fixture
def machine(tmp_path, applied):
    with machine_of_terraform(tmp_path, applied) as made:
        volume = applied.client("ec2").describe_volumes(
            Filters=[{"Name": "tag:Name", "Values": ["skylark-speech-state"]}]
        )["Volumes"][0]["VolumeId"]
        (tmp_path / f"dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}").touch()
        yield made


@pytest.fixture
def released(machine, image, other_image):
    """One that has an image for each place, and serves in blue."""
    machine.release(json.dumps({"live": "blue", "blue": image, "green": other_image}))
    return machine


def test_user_data_installs_units_and_scripts_and_starts_without_waiting(machine):
    assert machine.calls("systemctl") == ["daemon-reload", "start --no-block skylark.service"]
    found = {file.name for file in (machine.root / "usr/local/bin").iterdir()}
    assert found == {"skylark-boot", "skylark-metadata", "skylark-place", "skylark-report"}
    assert all(file.stat().st_mode & stat.S_IXUSR for file in (machine.root / "usr/local/bin").iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_units(machine):
    folder = machine.root / "etc/systemd/system"
    units = [folder / "skylark.service", folder / "skylark@.service"]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    mine = [line for line in done.stderr.splitlines() if "skylark" in line]
    said = [line for line in mine if "docker" not in line]  # which is not on every machine
    assert said == []


def test_a_start_says_each_stage_and_starts_the_place_that_serves(released, image):
    began = int(time.time())
    done = released.run("skylark-boot")
    assert done.returncode == 0, done.stderr
    boot = released.boot()
    assert began <= int(boot["boot_at"]) <= int(boot["image_at"]) <= time.time()
    assert "fault" not in boot
    assert released.calls("systemctl")[-1] == "restart --no-block skylark@blue"
    assert [call for call in released.calls("docker") if call.startswith("pull")] == [f"pull --quiet {image}"]


def test_an_image_that_is_there_is_not_pulled_again(released, image, other_image):
    released.say("images", f"{image}\n{other_image}\n")
    assert released.run("skylark-boot").returncode == 0
    called = {call.split()[0] for call in released.calls("docker")}
    assert not called & {"pull", "login"}


def test_another_start_tells_new_times_and_forgets_a_former_fault(released):
    released.say("no-pull", "a former fault\n")
    assert released.run("skylark-boot").returncode == 1
    first = released.boot()
    assert first["fault"].endswith("cannot be pulled: a former fault")
    released.shut_down()
    (released.told / "no-pull").unlink()
    assert released.run("skylark-boot").returncode == 0
    again = released.boot()
    assert int(again["boot_at"]) >= int(first["boot_at"])
    assert "image_at" in again
    assert "fault" not in again


def test_what_systemd_runs_again_within_a_boot_keeps_the_time_of_the_boot(released):
    released.say("no-pull", "no route to host\n")
    assert released.run("skylark-boot").returncode == 1
    key = {"kind": {"S": "boot"}, "id": {"S": released.instance_id}}
    released.applied.client("dynamodb").update_item(
        TableName=released.applied.speech["table"],
        Key=key,
        UpdateExpression="SET boot_at = :then",
        ExpressionAttributeValues={":then": {"N": "1000"}},
    )
    (released.told / "no-pull").unlink()
    assert released.run("skylark-boot").returncode == 0
    assert released.boot()["boot_at"] == "1000"


def test_without_a_released_image_the_table_says_what_a_person_has_to_do(machine):
    assert machine.run("skylark-boot").returncode == 1
    assert (
        machine.boot()["fault"] == "there is no image in the place blue yet: scripts/release puts one there"
    )


@pytest.mark.parametrize("value", ["{", '{"live": "red", "blue": "", "green": ""}', "[]"])
def test_a_release_parameter_that_nobody_can_read_is_a_fault(machine, value):
    machine.release(value)
    assert machine.run("skylark-boot").returncode == 1
    assert machine.boot()["fault"] == "/skylark/speech/release is not as scripts/release writes it"


def test_an_image_by_a_tag_or_of_another_repository_is_refused(machine, applied):
    tagged = f"{applied.speech['repository_url']}:latest"
    for image in (tagged, f"somebody/else@{DIGEST}"):
        machine.release(json.dumps({"live": "blue", "blue": image, "green": ""}))
        assert machine.run("skylark-boot").returncode == 1
        assert "is not an image of" in machine.boot()["fault"]
    assert not [call for call in machine.calls("docker") if call.startswith("pull")]


def test_a_machine_that_ecr_does_not_let_in_says_so(released):
    released.say("no-token", "")
    assert released.run("skylark-boot").returncode == 1
    assert released.boot()["fault"] == (
        "ECR lets the machine not in: An error occurred (AccessDeniedException)"
    )


def test_what_logs_in_to_ecr_is_in_memory_only(released):
    assert released.run("skylark-boot").returncode == 0
    assert (released.told / "password").read_text() == "the-password-of-ecr\n"
    files = [file for file in released.root.rglob("*") if file.is_file() and not file.is_symlink()]
    mine = [file for file in files if not file.is_relative_to(released.told)]
    assert [file for file in mine if "the-password-of-ecr" in file.read_text()] == [
        released.root / "run/skylark/docker/config.json"
    ]


def test_a_container_has_the_settings_of_its_gpu_and_keys_in_memory(released, image):
    released.run("skylark-boot")
    done = released.run("skylark-place", "blue", "--run")
    assert done.returncode == 0, done.stderr
    file = released.root / "run/skylark/blue.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = released.environment_file()
    maria, monitor = settings["SKYLARK_API_KEYS"].split(",")
    assert maria == f"maria:{sha256(b'value').hexdigest()}"
    assert monitor == f"machine-monitor:{sha256(settings['SKYLARK_MONITOR__API_KEY'].encode()).hexdigest()}"
    assert settings["SKYLARK_ENGINE__DTYPE"] == "float16"
    assert settings["SKYLARK_CLOUD__TABLE"] == released.applied.speech["table"]
    assert settings["SKYLARK_CLOUD__BUCKET"] == released.applied.speech["bucket"]
    assert settings["SKYLARK_CLOUD__HOLD_PARAMETER"] == "/skylark/speech/holds"
    assert settings["SKYLARK_CLOUD__RELEASE_PARAMETER"] == "/skylark/speech/release"
    assert settings["SKYLARK_CLOUD__PLACE"] == "blue"


def test_the_settings_are_settings_of_the_appliance(released, monkeypatch):
    released.run("skylark-boot")
    released.run("skylark-place", "blue", "--run")
    given = released.environment_file()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    loaded = Settings()
    unknown = {name for name in given if name.startswith("SKYLARK_") and not _is_setting(loaded, name)}
    assert unknown == set()
    assert loaded.monitor.appliance == "speech"
    assert (loaded.engine.host, loaded.engine.port) == ("0.0.0.0", 5002)
    assert (loaded.engine.dtype, loaded.engine.vram_mb, loaded.engine.max_models) == ("float16", 16000, 2)
    assert loaded.limits.request_timeout_s == 1800
    assert loaded.s3.bucket == loaded.cloud.bucket == released.applied.speech["bucket"]
    assert not loaded.cloud.volume_goes


def test_a_machine_of_another_type_takes_that_gpus_settings(released):
    released.imds.instance_type = "g5.xlarge"
    released.run("skylark-boot")
    assert released.run("skylark-place", "blue", "--run").returncode == 0
    assert released.environment_file()["SKYLARK_ENGINE__DTYPE"] == "bfloat16"


@pytest.mark.parametrize(("place", "port"), [("blue", 5000), ("green", 5100)])
def test_a_container_runs_read_only_on_the_gpu_at_the_ports_of_its_place(released, image, place, port):
    released.say("mounted", "")
    assert released.run("skylark-place", place, image).returncode == 0
    assert released.run("skylark-place", place, "--run").returncode == 0
    (run,) = [call for call in released.calls("docker") if call.startswith("run ")]
    words = run.split()
    assert words[-1] == image
    assert {"--read-only", "--rm", "--gpus", "all", "no-new-privileges:true"} <= set(words)
    assert words[words.index("--stop-timeout") + 1] == "105"
    assert words[words.index("--cap-drop") + 1] == "ALL"
    volume = words[words.index("--volume") + 1]
    assert volume == f"{released.root}/var/lib/skylark/{place}:/var/lib/skylark"
    published = [words[n + 1] for n, word in enumerate(words) if word == "--publish"]
    assert published == [f"{port}:5000", f"{port + 1}:5001", f"{port + 2}:5002"]
    assert f"10001:10001 {released.root}/var/lib/skylark/{place}" in released.calls("chown")


def test_a_containers_end_is_its_units_end_so_that_only_a_failed_one_is_started_again(released, image):
    unit = (released.root / "etc/systemd/system/skylark@.service").read_text()
    assert "Restart=on-failure" in unit
    released.say("mounted", "")
    released.run("skylark-place", "blue", image)
    for ended in (0, 1, 137):
        released.say("ended", str(ended))
        assert released.run("skylark-place", "blue", "--run").returncode == ended


def test_without_api_keys_nothing_is_started(released, image):
    ssm, keys = released.applied.client("ssm"), released.applied.speech["api_keys_parameter"]
    before = ssm.get_parameter(Name=keys, WithDecryption=True)["Parameter"]["Value"]
    ssm.put_parameter(Name=keys, Value="unset", Overwrite=True)
    released.say("mounted", "")
    try:
        released.run("skylark-place", "blue", image)
        assert released.run("skylark-place", "blue", "--run").returncode == 1
    finally:
        ssm.put_parameter(Name=keys, Value=before, Overwrite=True)
    assert "there are no API keys in /skylark/speech/api_keys yet" in released.boot()["fault"]
    assert not [call for call in released.calls("docker") if call.startswith("run ")]


def test_a_release_that_fails_is_no_fault_of_the_machines_start(released, other_image):
    released.run("skylark-boot")
    before = released.boot()
    released.say("no-pull", "manifest unknown\n")
    done = released.run("skylark-place", "green", other_image)
    assert done.returncode == 1
    assert "manifest unknown" in done.stderr
    assert released.boot() == before


def test_an_empty_volume_is_formatted_and_mounted(released):
    released.say("blkid", EMPTY)
    assert released.run("skylark-boot").returncode == 0
    assert len(released.calls("mkfs.ext4")) == 1
    assert released.calls("mount")[0].endswith(f"{released.root}/var/lib/skylark")


def test_a_volume_with_a_state_is_only_mounted(released):
    released.say("blkid", EXISTS)
    assert released.run("skylark-boot").returncode == 0
    assert released.calls("mkfs.ext4") == []
    assert len(released.calls("mount")) == 1


def test_a_volume_that_cannot_be_read_is_neither_formatted_nor_forgotten(released):
    released.say("blkid", BROKEN)
    assert released.run("skylark-boot").returncode == 1
    assert released.calls("mkfs.ext4") == []
    assert "cannot be read" in released.boot()["fault"]
    assert not [call for call in released.calls("systemctl") if call.startswith("restart")]


def test_a_machine_of_a_fleet_has_a_new_folder_and_its_queue_copied_out(tmp_path, applied):
    image = f"{applied.batch['repository_url']}@{DIGEST}"
    keys = applied.batch["api_keys_parameter"]
    with machine_of_fleet(tmp_path, applied) as machine:
        applied.client("ssm").put_parameter(Name=keys, Value="maria:" + 64 * "0", Overwrite=True)
        try:
            machine.release(json.dumps({"live": "green", "blue": "", "green": image}))
            assert machine.run("skylark-boot").returncode == 0
            assert machine.run("skylark-place", "green", "--run").returncode == 0
        finally:
            applied.client("ssm").put_parameter(Name=keys, Value="unset", Overwrite=True)
        assert machine.calls("mount") == machine.calls("mkfs.ext4") == []
        assert "image_at" in machine.boot()
        settings = machine.environment_file("green")
    assert settings["SKYLARK_CLOUD__VOLUME_GOES"] == "true"
    assert settings["SKYLARK_MONITOR__APPLIANCE"] == "batch"


def test_images_that_no_place_has_are_removed(released, image, other_image):
    old = image.replace(DIGEST, "sha256:" + 64 * "c")
    released.say("images", f"{old}\n{image}\n{other_image}\nsomebody/else@{DIGEST}\n")
    assert released.run("skylark-boot").returncode == 0
    removed = [call for call in released.calls("docker") if call.startswith("image rm")]
    assert removed == [f"image rm {old}"]


def test_a_table_that_cannot_be_told_does_not_keep_the_place_from_starting(released):
    file = released.root / "etc/skylark/appliance"
    file.write_text(file.read_text().replace("TABLE=skylark-speech", "TABLE=nothing-there"))
    done = released.run("skylark-boot")
    assert done.returncode == 0, done.stderr
    assert "the table was not told" in done.stderr
    assert released.calls("systemctl")[-1] == "restart --no-block skylark@blue"


@pytest.mark.parametrize("words", [(), ("red",), ("blue",)])
def test_a_place_that_there_is_not_or_no_wish_is_refused(machine, words):
    assert machine.run("skylark-place", *words).returncode == 2


def _is_setting(loaded, variable):
    section, _, name = variable.removeprefix("SKYLARK_").lower().partition("__")
    return hasattr(getattr(loaded, section, None), name) if name else hasattr(loaded, section)
