"""supervisord and its children, from the side of the process that started them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from servers.cli.output import CommandFailed, complain
from servers.settings import ROOT
from servers.supervision import LOCK
from servers.supervision.configuration import SOCKET, environment, prepare
from servers.supervision.processes import stop_groups

STOP_S = 100.0
"""Above stopwaitsecs for the doors and then for the engine."""
ORPHAN_STOP_S = 35.0
RPC_S = 5.0
TAIL_LINES = 15
SHUTDOWN_STATE = 6  # supervisor.xmlrpc.Faults


@contextmanager
def sole_user(data_dir: Path) -> Iterator[None]:
    """Holds the data_dir's lock. Raises CommandFailed naming the process that has it."""
    with (data_dir / LOCK).open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CommandFailed(
                f"another `skylark up` (process {file.read().strip()}) uses {data_dir}: end it, "
                "or choose other ports with --port-base N"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


class Appliance:
    """All processes, from the start of the with statement to its end, whatever happens inside."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._logs = data_dir / "logs"
        self._pids: dict[str, int] = {}

    def __enter__(self) -> Appliance:
        command = [*prepare(self._data_dir), "--silent"]
        (self._logs / "supervisord.out").write_bytes(b"")
        with (self._logs / "supervisord.out").open("ab") as output:
            # A session of its own: a terminal's Ctrl-C is for this process, which then stops all in order.
            self._supervisord = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | environment(self._data_dir),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        with _undisturbed():
            self._stop()

    def check(self) -> None:
        """Raises CommandFailed, with the end of the log, once a process cannot be kept running."""
        if self._supervisord.poll() is not None:
            last_words = self._tail("supervisord.out")
            how = f"supervisord ended ({self._supervisord.returncode}); logs are in {self._logs}"
            raise CommandFailed(f"{how}\n{last_words}".rstrip())
        for process in self._processes():
            self._pids[process["name"]] = process["pid"]
            if process["statename"] == "FATAL":
                name = process["name"]
                raise CommandFailed(
                    f"{name} cannot be kept running; {self._logs / name}.log ends with:\n"
                    + self._tail(f"{name}.log")
                )

    def _processes(self) -> list[dict[str, Any]]:
        """supervisord's view of its children; none while it is not up yet, or is stopping."""
        try:
            with _rpc(self._data_dir / SOCKET) as supervisord:
                found: Any = supervisord.supervisor.getAllProcessInfo()
        except (OSError, HTTPException):
            return []
        except Fault as fault:
            if fault.faultCode == SHUTDOWN_STATE:
                return []
            raise
        processes: list[dict[str, Any]] = found
        return processes

    def _tail(self, name: str) -> str:
        with (self._logs / name).open(encoding="utf-8", errors="replace") as lines:
            return "".join(deque(lines, TAIL_LINES)).rstrip()

    def _stop(self) -> None:
        if self._supervisord.poll() is None:
            self._supervisord.terminate()
            try:
                self._supervisord.wait(STOP_S)
            except subprocess.TimeoutExpired:
                complain("supervisord did not stop in time: killing it")
                self._supervisord.kill()
                self._supervisord.wait()
        for _, processes in stop_groups():
            _stop_orphans([self._pids[each.name] for each in processes if self._pids.get(each.name)])


def _rpc(socket: Path) -> ServerProxy:
    """supervisord's interface over that socket, with a time limit: its own transport would wait for ever."""
    from supervisor.xmlrpc import SupervisorTransport  # half of supervisord comes with it

    transport = SupervisorTransport(serverurl=f"unix://{socket}")
    connection = transport._get_connection

    def connected() -> Any:
        made = connection()
        try:
            made.connect()
        except OSError:
            made.close()
            raise
        made.sock.settimeout(RPC_S)
        return made

    transport._get_connection = connected
    return ServerProxy("http://localhost", transport=transport)


def _stop_orphans(pids: list[int]) -> None:
    """Stops what a killed supervisord left behind; normally nothing is."""
    alive = [pid for pid in pids if _is_alive(pid)]
    for pid in alive:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + ORPHAN_STOP_S
    while any(_is_alive(pid) for pid in alive) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in alive:
        if _is_alive(pid):
            os.killpg(pid, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    """Whether the leader of a process group of that id runs: supervisord makes each child one."""
    try:
        if os.getpgid(pid) != pid:
            return False
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (ProcessLookupError, PermissionError):
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()  # macOS has no /proc, and its init reaps at once
    return stat.rpartition(")")[2].split()[0] != "Z"


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Stopping is bounded in time, and a second Ctrl-C must not leave half of it running."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTIONS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """Makes a termination or a closed terminal a KeyboardInterrupt, as Ctrl-C is."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in INTERRUPTIONS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
