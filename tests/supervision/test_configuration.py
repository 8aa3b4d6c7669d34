"""supervisord's configuration, as supervisord itself reads it."""

from __future__ import annotations

import shlex
import signal
import sys

import pytest
from supervisor.options import ServerOptions

from servers.supervision import processes as table
from servers.supervision.configuration import environment, prepare
from servers.supervision.processes import PROCESSES, Process, StopOrder

GRACEFUL_TIMEOUT_S = 30


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "a folder; with 'all' kinds of # characters"


@pytest.fixture
def read(data_dir, monkeypatch):
    """Makes supervisord's options of what `prepare` writes."""

    def read() -> ServerOptions:
        *_, option, path = prepare(data_dir)
        for name, value in environment(data_dir).items():
            monkeypatch.setenv(name, value)
        options = ServerOptions()
        options.realize([option, path])
        return options

    return read


@pytest.fixture
def groups(read):
    return sorted(read().process_group_configs, key=lambda group: group.priority)


@pytest.fixture
def programs(groups):
    return {process.name: process for group in groups for process in group.process_configs}


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_each_server_is_run_as_a_module_and_given_time_to_end(programs, process, data_dir):
    program = programs[process.name]
    assert shlex.split(program.command) == [sys.executable, "-m", process.module]
    assert program.stdout_logfile == str(data_dir / "logs" / f"{process.name}.log")
    assert program.stopwaitsecs > GRACEFUL_TIMEOUT_S
    assert (program.stopsignal, program.stopasgroup, program.killasgroup) == (signal.SIGTERM, False, True)


def test_supervisord_stops_the_doors_at_the_same_time_before_the_engine_and_its_listener_last(groups):
    """It stops one group after the other, from the last of them, and what is in a group at once."""
    stopped = [{process.name for process in group.process_configs} for group in reversed(groups)]
    assert stopped == [{"tts", "whisperx"}, {"engine"}, {"supervision"}]


def test_supervisord_starts_the_processes_in_the_tables_order(groups):
    """It starts one group after the other, and what is in a group by its priority."""
    started = [
        process.name
        for group in groups
        for process in sorted(group.process_configs, key=lambda process: process.priority)
    ]
    by_order = sorted(PROCESSES, key=lambda process: process.start_order)
    assert started == ["supervision", *(process.name for process in by_order)]


def test_everything_that_supervisord_writes_is_in_the_data_dir(read, data_dir):
    options = read()
    assert options.logfile == str(data_dir / "logs" / "supervisord.log")
    assert options.pidfile == str(data_dir / "supervisord.pid")
    (server,) = options.server_configs
    assert server["file"] == str(data_dir / "ctl.sock")


def test_it_is_written_anew_at_each_start(read, data_dir):
    read()
    (data_dir / "supervisord.conf").write_text("of an older version")
    assert read().process_group_configs


def test_a_new_door_is_one_entry(read, monkeypatch):
    door = Process("rpc", "servers.rpc", "rpc.port", 2, StopOrder.DOORS, None)
    monkeypatch.setattr(table, "PROCESSES", (*PROCESSES, door))
    (doors,) = (group for group in read().process_group_configs if group.name == "doors")
    assert {process.name for process in doors.process_configs} == {"tts", "whisperx", "rpc"}
