"""supervisord's configuration, as supervisord itself reads it."""

from __future__ import annotations

import os
import shlex
import signal
import sys

import pytest
from supervisor.options import ServerOptions

from servers.settings import Engine, Settings, Web
from servers.settings.variables import INTAKE_SECRET
from servers.supervision import processes as table
from servers.supervision.configuration import environment, prepare, prepare_container
from servers.supervision.processes import INTAKE, MONITOR, PROCESSES, STOP_WAIT_S, Process, StopOrder
from servers.web.serve import graceful_s

CONTAINER_ENDS_S = 100


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "a folder; with 'all' kinds of # characters"


@pytest.fixture
def read(data_dir, monkeypatch):
    """Makes supervisord's options of what `prepare` writes."""

    def read(*optional: Process) -> ServerOptions:
        *_, option, path = prepare(data_dir, optional)
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
    assert program.stopwaitsecs == STOP_WAIT_S[process.stop_order]
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


def test_servers_have_the_time_that_gunicorn_may_take_and_a_container_ends_in_time():
    most = Settings(
        engine={"drain_s": _most(Engine, "drain_s")}, web={"stop_notice_s": _most(Web, "stop_notice_s")}
    )
    assert STOP_WAIT_S[StopOrder.DOORS] > graceful_s(most) + most.web.stop_notice_s
    assert STOP_WAIT_S[StopOrder.ENGINE] > graceful_s(most)
    assert sum(STOP_WAIT_S.values()) <= CONTAINER_ENDS_S


def _most(section, name):
    """The largest value that the setting may have."""
    return section.model_json_schema()["properties"][name]["maximum"]


def test_in_a_container_nothing_is_logged_to_files_and_nobody_else_listens_for_events(data_dir, monkeypatch):
    data_dir.mkdir()
    path = prepare_container(data_dir)
    for name, value in environment(data_dir).items():
        monkeypatch.setenv(name, value)
    options = ServerOptions()
    options.realize(["-c", str(path)])
    assert options.logfile == "/dev/null"
    programs = [process for group in options.process_group_configs for process in group.process_configs]
    assert {program.name for program in programs} == {process.name for process in PROCESSES}
    assert {(each.stdout_logfile, each.stdout_events_enabled, each.redirect_stderr) for each in programs} == {
        (None, True, True)
    }
    assert list(data_dir.iterdir()) == [path]


def test_it_is_written_anew_at_each_start(read, data_dir):
    read()
    (data_dir / "supervisord.conf").write_text("of an older version")
    assert read().process_group_configs


def test_a_new_door_is_one_entry(read, monkeypatch):
    door = Process("rpc", "servers.rpc", "rpc.port", 2, StopOrder.DOORS, None)
    monkeypatch.setattr(table, "PROCESSES", (*PROCESSES, door))
    (doors,) = (group for group in read().process_group_configs if group.name == "doors")
    assert {process.name for process in doors.process_configs} == {"tts", "whisperx", "rpc"}


def test_the_monitor_runs_only_where_it_is_wanted(data_dir):
    prepare(data_dir)
    assert "servers.monitor" not in (data_dir / "supervisord.conf").read_text()
    prepare(data_dir, [MONITOR])
    assert "servers.monitor" in (data_dir / "supervisord.conf").read_text()
    prepare_container(data_dir, [MONITOR])
    assert "servers.monitor" in (data_dir / "supervisord.conf").read_text()


def test_the_secret_of_a_start_is_in_no_file_and_only_doors_and_the_intake_keep_it(
    read, data_dir, monkeypatch
):
    options = read(MONITOR, INTAKE)
    secret = os.environ[INTAKE_SECRET]
    assert len(secret) > 40
    written = [path.read_text() for path in data_dir.rglob("*") if path.is_file()]
    assert written
    assert not any(secret in text for text in written)
    programs = [each for group in options.process_group_configs for each in group.process_configs]
    kept = {each.name for each in programs if INTAKE_SECRET not in (each.environment or {})}
    assert kept == {"tts", "whisperx", "intake"}
    assert {each.environment[INTAKE_SECRET] for each in programs if each.name not in kept} == {""}


def test_each_start_has_another_secret(data_dir):
    assert environment(data_dir)[INTAKE_SECRET] != environment(data_dir)[INTAKE_SECRET]
