"""supervisord and its children, from the side of the process that started them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from servers.cli.failures import CommandFailed
from servers.cli.interruptions import told_again
from servers.cli.last_words import last_words
from servers.cli.output import complain
from servers.errors import SkylarkError
from servers.jobs.client import JobsClient
from servers.settings import ROOT, Settings
from servers.supervision.configuration import SOCKET, environment, prepare
from servers.supervision.lock import LOCK
from servers.supervision.processes import may_be_lost, stop_groups, wanted
from servers.web.serve import graceful_s

STOP_S = 105.0
"""Above stopwaitsecs for the doors and then for the engine."""
ORPHAN_STOP_S = 35.0
RPC_S = 5.0
LOOK_S = 0.05
SHUTDOWN_STATE = 6  # supervisor.xmlrpc.Faults


@contextmanager
def sole_user(
    data_dir: Path, command: str = "skylark up", otherwise: str = "choose other ports with --port-base N"
) -> Iterator[None]:
    """Holds the data_dir's lock. Raises CommandFailed naming the process that has it, and what else to do."""
    with (data_dir / LOCK).open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CommandFailed(
                f"another `{command}` (process {file.read().strip()}) uses {data_dir}: end it, or {otherwise}"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


class Appliance:
    """All processes, from the start of the with statement to its end, whatever happens inside."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data_dir = settings.data_dir
        self._logs = settings.data_dir / "logs"
        self._pids: dict[str, int] = {}
        self._begins: dict[str, int] = {}

    def __enter__(self) -> Appliance:
        command = [*prepare(self._data_dir, wanted(self._settings)), "--silent"]
        self._begins = {log.name: log.stat().st_size for log in self._logs.glob("*.log")}
        with (self._logs / "supervisord.out").open("wb") as output:
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
        with told_again() as is_told_again:
            self._stop(is_told_again)

    def check(self, *, starting: bool = False) -> None:
        """Raises CommandFailed, with the server's own words, once one cannot be kept running.

        While they are `starting`, that is once one has refused to for the first time: what it lacks will not
        come by itself.
        """
        if self._supervisord.poll() is not None:
            raise CommandFailed(
                f"supervisord ended with {self._supervisord.returncode}: {self._logs} says what it did"
            )
        for process in self._processes():
            if process["pid"]:
                self._pids[process["name"]] = process["pid"]
            if process["statename"] == "FATAL" and not may_be_lost(process["name"]):
                raise CommandFailed(f"{process['name']} cannot be kept running: {self._why(process['name'])}")
            if starting and process["statename"] == "BACKOFF" and (why := self._last_words(process["name"])):
                raise CommandFailed(f"{process['name']} does not start: {why}")

    def _why(self, name: str) -> str:
        return self._last_words(name) or f"{self._logs / name}.log says how it ended"

    def _last_words(self, name: str) -> str | None:
        """Since this appliance was started."""
        log = self._logs / f"{name}.log"
        return last_words(log, self._begins.get(log.name, 0))

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

    def _stop(self, is_told_again: Callable[[], bool]) -> None:
        """In order, as long as it takes: STOP_S at most, and no longer than nobody asks for the end."""
        if self._supervisord.poll() is None:
            print(self._what_is_waited_for(), flush=True)
            self._supervisord.terminate()
            deadline = time.monotonic() + STOP_S
            while self._supervisord.poll() is None:
                if is_told_again():
                    self._kill()
                    raise KeyboardInterrupt
                if time.monotonic() > deadline:
                    complain("supervisord did not stop in time: killing it")
                    self._supervisord.kill()
                time.sleep(LOOK_S)
        for _, processes in stop_groups(wanted(self._settings)):
            _stop_orphans(
                [self._pids[each.name] for each in processes if self._pids.get(each.name)], is_told_again
            )

    def _what_is_waited_for(self) -> str:
        """A sentence: how many jobs are in hand, and how long that may take."""
        for process in self._processes():
            self._pids[process["name"]] = process["pid"]
        with closing(JobsClient(self._settings.engine_socket, timeout_s=RPC_S)) as engine:
            try:
                running = len(engine.queue()["running"])
            except SkylarkError:  # it may not be up yet, or not any more: then it has nothing in hand
                running = 0
        if not running:
            return "stopping"
        longest_s = at_most_s(self._settings)
        jobs = "1 job" if running == 1 else f"{running} jobs"
        return f"waiting for {jobs} in hand, at most {longest_s:.0f} s; Ctrl-C again ends it at once"

    def _kill(self) -> None:
        """Everything, in no order: supervisord first, which would start the others again.

        What a server has started ends with it. A job in hand is in the queue again at the next start.
        """
        complain("ended at once: the jobs in hand are run again at the next start")
        self._supervisord.kill()
        self._supervisord.wait()
        for pid in self._pids.values():
            if pid and _is_alive(pid):
                os.killpg(pid, signal.SIGKILL)


def at_most_s(loaded: Settings) -> float:
    """How long the doors and then the engine may take to end."""
    return loaded.web.stop_notice_s + graceful_s(loaded) + loaded.engine.drain_s


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


def _stop_orphans(pids: list[int], is_told_again: Callable[[], bool]) -> None:
    """Stops what a killed supervisord left behind; normally nothing is."""
    alive = [pid for pid in pids if _is_alive(pid)]
    for pid in alive:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + ORPHAN_STOP_S
    while any(map(_is_alive, alive)) and time.monotonic() < deadline and not is_told_again():
        time.sleep(LOOK_S)
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
