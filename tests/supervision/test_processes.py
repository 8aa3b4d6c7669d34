"""The table, and what is made of it."""

from __future__ import annotations

import pytest

from servers.server_config import ClientConfig
from servers.settings import Settings
from servers.supervision.processes import (
    DOORS,
    FINETUNE,
    INTAKE,
    MONITOR,
    PROCESSES,
    PROXY,
    RPC,
    may_be_lost,
    port_variables,
    served,
    stop_groups,
    wanted,
)


def test_every_process_has_a_name_and_a_module_of_its_own():
    assert len({process.name for process in PROCESSES}) == len(PROCESSES)
    assert len({process.module for process in PROCESSES}) == len(PROCESSES)


def test_the_doors_are_stopped_together_and_then_the_engine():
    groups = [{process.name for process in group} for _, group in stop_groups()]
    assert groups == [{"tts", "whisperx"}, {"engine"}]


def test_the_monitor_goes_on_while_the_doors_end_and_the_intake_ends_with_them():
    groups = [{process.name for process in group} for _, group in stop_groups([MONITOR, INTAKE])]
    assert groups == [{"tts", "whisperx", "intake"}, {"engine", "monitor"}]


def test_an_appliance_is_monitored_once_it_has_a_name_for_it(monkeypatch):
    alone(monkeypatch)
    assert wanted(Settings()) == []
    monkeypatch.setenv("SKYLARK_MONITOR__APPLIANCE", "speech")
    assert wanted(Settings()) == [MONITOR]


def test_work_is_taken_in_where_the_appliance_has_a_table(monkeypatch):
    alone(monkeypatch)
    monkeypatch.setenv("SKYLARK_CLOUD__TABLE", "skylark-speech")
    monkeypatch.setenv("SKYLARK_CLOUD__BUCKET", "skylark-speech-1")
    assert wanted(Settings()) == [INTAKE]


def alone(monkeypatch):
    for process in (PROXY, RPC, FINETUNE):
        monkeypatch.setenv(f"SKYLARK_{process.name.upper()}__BESIDE", "false")


def test_grpc_voices_and_the_page_are_served_with_the_others_unless_the_settings_say_otherwise(monkeypatch):
    assert wanted(Settings()) == [RPC, FINETUNE, PROXY]
    assert served(Settings()) == [*PROCESSES, RPC, FINETUNE, PROXY]
    alone(monkeypatch)
    monkeypatch.setenv("SKYLARK_MONITOR__APPLIANCE", "speech")
    assert served(Settings()) == [*PROCESSES]


def test_the_proxy_rpc_and_finetune_end_as_the_doors_do_and_are_none_of_them():
    groups = [{process.name for process in group} for _, group in stop_groups([PROXY, RPC, FINETUNE])]
    assert groups == [{"tts", "whisperx", "proxy", "rpc", "finetune"}, {"engine"}]
    assert not {PROXY, RPC, FINETUNE} & set(DOORS)


def test_only_an_optional_process_may_be_lost():
    assert may_be_lost("monitor")
    assert may_be_lost("intake")
    assert may_be_lost("proxy")
    assert may_be_lost("rpc")
    assert may_be_lost("finetune")
    assert not any(may_be_lost(process.name) for process in PROCESSES)


def test_who_is_told_the_intakes_secret_is_a_door_or_the_intake():
    told = [process for process in (*PROCESSES, MONITOR, INTAKE, FINETUNE, PROXY) if process.knows_intake]
    assert told == [*DOORS, INTAKE]


def test_the_nth_door_listens_at_the_base_plus_n_and_the_proxy_at_the_base_plus_10(monkeypatch):
    for name, port in port_variables(7000).items():
        monkeypatch.setenv(name, port)
    moved = Settings()
    assert (moved.tts.port, moved.whisperx.port, moved.proxy.port) == (7000, 7001, 7010)
    assert (moved.rpc.port, moved.finetune.port) == (7002, 7003)
    assert [door.address(moved)[1] for door in DOORS] == [7000 + n for n in range(len(DOORS))]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_doors_variable_sets_the_port_that_its_address_has(door, monkeypatch):
    monkeypatch.setenv(door.port_variable, "7321")
    assert door.address(Settings())[1] == 7321


def test_the_clients_default_urls_are_the_doors_default_addresses():
    urls = ClientConfig().urls()
    assert urls == {door.name: f"http://localhost:{door.address(Settings())[1]}" for door in DOORS}
