"""How the process starts, and what keeps it from it."""

from __future__ import annotations

import pytest

from servers.cloud.changes import Changes
from servers.intake.__main__ import door_urls, is_live, main
from servers.settings import Settings, SettingsError
from servers.settings.variables import INTAKE_SECRET
from servers.supervision.processes import DOORS
from tests.cloud.fixtures import client

CLOUD = {"table": "skylark-speech", "bucket": "skylark-speech-1"}


def test_without_a_table_there_is_nothing_to_take_in(configure, monkeypatch):
    monkeypatch.setenv(INTAKE_SECRET, "a secret")
    with pytest.raises(SettingsError, match=r"cloud\.table"):
        main(Settings())


def test_only_supervision_can_start_it(configure, monkeypatch):
    monkeypatch.delenv(INTAKE_SECRET, raising=False)
    with pytest.raises(SettingsError, match=f"{INTAKE_SECRET}: servers/supervision makes it"):
        main(Settings(cloud=CLOUD))


def test_a_machine_with_one_place_always_takes_work_in(configure):
    assert is_live(Settings(), Changes("intake"))()


def test_a_place_asks_which_one_serves(configure, moto_port, credentials):
    cloud = CLOUD | {"release_parameter": "/skylark/main/release", "place": "green"}
    monitor = {"region": "us-east-1", "endpoint_url": f"http://127.0.0.1:{moto_port}"}
    ssm = client(moto_port, "ssm")
    ssm.put_parameter(Name="/skylark/main/release", Value='{"live": "green"}', Type="String")
    ask = is_live(Settings(cloud=cloud, monitor=monitor), Changes("intake"))
    assert ask()
    ssm.delete_parameters(Names=["/skylark/main/release"])
    ask.__self__._client.close()
    ssm.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1", "localhost", ""])
def test_doors_are_asked_from_this_machines_own_address(configure, host):
    urls = door_urls(Settings(tts={"host": host}))
    assert set(urls) == {door.name for door in DOORS}


@pytest.mark.parametrize("host", ["10.0.0.5", "2001:db8::5", "gpu.example.com"])
def test_a_door_that_cannot_be_asked_so_is_said_by_its_name(configure, host):
    with pytest.raises(SettingsError, match=r"whisperx\.port: whisperx listens at .* 127\.0\.0\.1"):
        door_urls(Settings(whisperx={"host": host}))
