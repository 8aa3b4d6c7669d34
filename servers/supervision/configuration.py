"""supervisord's configuration, made from the table of the processes and written into the data_dir."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from servers.atomic import write_atomically
from servers.settings.variables import INTAKE_SECRET
from servers.supervision.processes import STOP_WAIT_S, Process, StopOrder, stop_groups

NAME = "supervisord.conf"
SOCKET = "ctl.sock"
"""A short name: supervisord first binds it with its process id at the end, and macOS allows 103 bytes."""

START_S = 10
"""A process that ended sooner has not started."""

HEAD = """\
; The processes of the appliance, made from servers/supervision/processes.py at each start.
; `python -m servers.supervision` writes this and becomes supervisord; supervisorctl -c takes it too.

[supervisord]
nodaemon=true
pidfile=%(here)s/supervisord.pid
"""

LOGGED = """\
logfile=%(here)s/logs/supervisord.log
logfile_maxbytes=10MB
logfile_backups=1
childlogdir=%(here)s/logs
"""

UNLOGGED = "logfile=/dev/null\nlogfile_maxbytes=0\nchildlogdir=%(here)s\n"

REST = f"""
[unix_http_server]
file=%(here)s/{SOCKET}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://%(here)s/{SOCKET}

; A child has started once it ran for startsecs, which is longer than a server needs to find out that it
; cannot; otherwise it is given up after startretries.
;
; SIGTERM goes to gunicorn's arbiter alone (stopasgroup=false), which lets requests in hand end within its
; graceful_timeout, and with it the engine its runners; stopwaitsecs is above that. Only what is left after
; that is killed, and then with its children (killasgroup=true).
"""

WITHOUT_SECRET = f"""\
environment={INTAKE_SECRET}=""
"""

LISTENER = f"""
; supervisord itself stays up with a child that it has given up.
[eventlistener:supervision]
command="%(ENV_SKYLARK_PYTHON)s" -m servers.supervision.listener
events=PROCESS_STATE_FATAL,TICK_5
autorestart=true
stdout_logfile=NONE
stderr_logfile=/dev/fd/2
stderr_logfile_maxbytes=0
{WITHOUT_SECRET}"""

PROGRAM = """
[program:{name}]
command="%(ENV_SKYLARK_PYTHON)s" -m {module}
priority={start_order}
startsecs={start_s}
startretries=3
autorestart=true
stopsignal=TERM
stopwaitsecs={stop_wait_s}
stopasgroup=false
killasgroup=true
redirect_stderr=true
"""

TO_FILE = """\
stdout_logfile=%(here)s/logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""

AS_EVENTS = """\
stdout_logfile=NONE
stdout_events_enabled=true
"""

GROUP = """
; Started in order of priority and stopped in the reverse order, all of a group at the same time.
[group:{name}]
programs={programs}
priority={priority}
"""


def prepare(data_dir: Path, optional: Sequence[Process] = ()) -> list[str]:
    """Writes the configuration, and makes the folder of the logs. Returns the command that runs supervisord,
    for the repository's root as its folder and `environment` as its environment.
    """
    (data_dir / "logs").mkdir(parents=True, exist_ok=True)
    write_atomically(data_dir / NAME, render(optional).encode())
    return [sys.executable, "-m", "supervisor.supervisord", "-c", str(data_dir / NAME)]


def prepare_container(data_dir: Path, optional: Sequence[Process] = ()) -> Path:
    """Writes the configuration for servers/supervision/container.py, which is told what the processes write,
    and itself ends what is not to go on.
    """
    groups = _groups(AS_EVENTS, optional)
    write_atomically(data_dir / NAME, (HEAD + UNLOGGED + REST + groups).encode())
    return data_dir / NAME


def environment(data_dir: Path) -> dict[str, str]:
    """What the configuration takes from the environment, where no character of a path needs escaping; and the
    secret of this start, which is in no file.
    """
    secret = secrets.token_urlsafe(32)
    return {"SKYLARK_DATA_DIR": str(data_dir), "SKYLARK_PYTHON": sys.executable, INTAKE_SECRET: secret}


def render(optional: Sequence[Process] = ()) -> str:
    return HEAD + LOGGED + REST + LISTENER + _groups(TO_FILE, optional)


def _groups(output: str, optional: Sequence[Process]) -> str:
    groups = stop_groups(optional)
    return "".join(
        _group(order, processes, priority, output)
        for priority, (order, processes) in zip(range(len(groups), 0, -1), groups, strict=True)
    )


def _group(order: StopOrder, processes: list[Process], priority: int, output: str) -> str:
    programs = "".join(
        (PROGRAM + output + WITHOUT_SECRET * (not each.knows_intake)).format(
            name=each.name,
            module=each.module,
            start_order=each.start_order,
            start_s=START_S,
            stop_wait_s=STOP_WAIT_S[order],
        )
        for each in processes
    )
    names = ",".join(each.name for each in processes)
    return programs + GROUP.format(name=order.name.lower(), programs=names, priority=priority)
