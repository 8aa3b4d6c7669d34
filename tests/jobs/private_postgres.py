"""A PostgreSQL of the tests' own: a new folder, a Unix socket in it, no network; gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

PATIENCE_S = 30.0
# What a crash would lose does not matter here.
OPTIONS = ("fsync=off", "full_page_writes=off", "max_connections=100", "shared_buffers=32MB")


class Missing(Exception):
    """PostgreSQL cannot be run here; the message says why."""


class PrivatePostgres:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{uuid.uuid4().hex}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://tests@/{name}?host={self._folder}"

    def end_connections(self, url: str) -> None:
        """All of that database's, as when the server restarts."""
        name = url.partition("@/")[2].partition("?")[0]
        with self._connect() as connection:
            ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(ending, [name])

    def answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(host=str(self._folder), user="tests", dbname="postgres", autocommit=True)


@contextmanager
def private_postgres() -> Iterator[PrivatePostgres]:
    """Raises Missing."""
    programs, user = _programs(), _user()
    # under /tmp, for the path of a socket must be short
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        if user:
            shutil.chown(folder, user.pw_uid, user.pw_gid)
        with _running(programs, folder, user) as server:
            yield server
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(programs: Path, folder: Path, user: pwd.struct_passwd | None) -> Iterator[PrivatePostgres]:
    log = folder / "log"
    data = folder / "data"
    initdb = [
        "initdb",
        "--auth=trust",
        "--username=tests",
        "--encoding=UTF8",
        "--no-sync",
        f"--pgdata={data}",
    ]
    _start(programs, initdb, folder, user, log).wait(PATIENCE_S)
    settings = [word for option in OPTIONS for word in ("-c", option)]
    arguments = ["postgres", "-D", str(data), "-h", "", "-k", str(folder), *settings]
    process = _start(programs, arguments, folder, user, log)
    try:
        yield _ready(PrivatePostgres(folder), process, log)
    finally:
        process.send_signal(signal.SIGINT)  # SIGTERM waits for whoever a failed test has left connected
        process.wait(PATIENCE_S)


def _start(
    programs: Path, arguments: list[str], folder: Path, user: pwd.struct_passwd | None, log: Path
) -> subprocess.Popen[bytes]:
    another = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(programs / arguments[0]), *arguments[1:]],
            cwd=folder,
            env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
            stdout=output,
            stderr=output,
            **another,
        )


def _ready(server: PrivatePostgres, process: subprocess.Popen[bytes], log: Path) -> PrivatePostgres:
    until = time.monotonic() + PATIENCE_S
    while not server.answers():
        if process.poll() is not None or time.monotonic() > until:
            process.terminate()
            raise RuntimeError(f"PostgreSQL does not start: {log.read_text()}")
        time.sleep(0.05)
    return server


def _programs() -> Path:
    """The folder of initdb and postgres, with the newest version's first."""
    on_path = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in [*on_path, *debian, *_told_by_pg_config()]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Missing("PostgreSQL's initdb and postgres are neither on PATH nor in /usr/lib/postgresql")


def _told_by_pg_config() -> list[Path]:
    if not shutil.which("pg_config"):
        return []
    told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True)
    return [Path(told.stdout.strip())]


def _user() -> pwd.struct_passwd | None:
    """Whom the server runs as: it refuses root. None is whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return known[name]
    raise Missing("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
