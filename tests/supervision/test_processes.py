"""The table, and what is made of it."""

from __future__ import annotations

import pytest

from servers.cli.config import ClientConfig
from servers.settings import Settings
from servers.supervision.processes import DOORS, PROCESSES, is_monitored, port_variables, stop_groups


def test_every_process_has_a_name_and_a_module_of_its_own():
    assert len({process.name for process in PROCESSES}) == len(PROCESSES)
    assert len({process.module for process in PROCESSES}) == len(PROCESSES)


def test_the_doors_are_stopped_together_and_then_the_engine():
    groups = [{process.name for process in group} for _, group in stop_groups()]
    assert groups == [{"tts", "whisperx"}, {"engine"}]


def test_the_monitor_goes_on_while_the_doors_end():
    groups = [{process.name for process in group} for _, group in stop_groups(monitored=True)]
    assert groups == [{"tts", "whisperx"}, {"engine", "monitor"}]


def test_an_appliance_is_monitored_once_it_has_a_name_for_it(monkeypatch):
    assert not is_monitored(Settings())
    monkeypatch.setenv("SKYLARK_MONITOR__APPLIANCE", "speech")
    assert is_monitored(Settings())


def test_the_nth_door_listens_at_the_base_plus_n(monkeypatch):
    for name, port in port_variables(7000).items():
        monkeypatch.setenv(name, port)
    moved = Settings()
    assert (moved.tts.port, moved.whisperx.port) == (7000, 7001)
    assert [door.address(moved)[1] for door in DOORS] == [7000 + n for n in range(len(DOORS))]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_doors_variable_sets_the_port_that_its_address_has(door, monkeypatch):
    monkeypatch.setenv(door.port_variable, "7321")
    assert door.address(Settings())[1] == 7321


def test_the_clients_default_urls_are_the_doors_default_addresses():
    urls = ClientConfig().urls()
    assert urls == {door.name: f"http://localhost:{door.address(Settings())[1]}" for door in DOORS}
