"""A command starts at once: it imports what it needs, when it needs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from servers import __version__
from servers.settings import ROOT

HEAVY = {
    *("alembic", "flask", "gunicorn", "jiwer", "num2words", "numpy", "pydantic_settings", "pybase64"),
    *("requests", "rich", "soundfile", "sqlalchemy", "supervisor", "urllib3", "yaml"),
}
"""What was imported for every command, or would be before long. Typer itself needs pydantic for options."""
RUN = """
import json, sys
from servers.cli import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def run(*arguments: str) -> tuple[int, set[str], str]:
    """The exit code, what was imported, and what was printed on either."""
    ran = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *said, ended = ran.stderr.splitlines()
    code, modules = json.loads(ended)
    return code, set(modules), ran.stdout + "\n".join(said)


COMMANDS = (
    *("up", "say", "transcribe", "align", "voices", "jobs", "queue", "health", "srv", "models", "smoke"),
    *("page", "start-gpu", "stop-gpu", "gpu"),
)
GROUPS = {
    "srv": ("start", "health", "queue", "submit", "cancel"),
    "models": ("list", "pull", "verify"),
    "gpu": ("status", "hold", "ledger"),
}
EVERY = [*((name,) for name in COMMANDS), *((group, name) for group in GROUPS for name in GROUPS[group])]


@pytest.mark.parametrize("command", [(), *EVERY], ids=" ".join)
def test_help_imports_nothing_heavy(command):
    code, modules, said = run(*command, "--help")
    assert (code, said.startswith("Usage: skylark")) == (0, True)
    assert modules & HEAVY == set()


def test_the_version_is_the_packages_and_imports_nothing_heavy():
    code, modules, said = run("--version")
    assert (code, said) == (0, f"skylark {__version__}\n")
    assert modules & (HEAVY | {"pydantic"}) == set()


@pytest.mark.parametrize("command", [("queue",), ("srv", "health")], ids=" ".join)
def test_asking_the_engine_imports_what_asks_and_no_more(command):
    code, modules, _ = run(*command, "--socket", "/nonexistent.sock")
    assert code == 3
    assert modules & HEAVY <= {"urllib3", "pybase64"}


def test_asking_a_server_imports_what_asks_and_no_more():
    code, modules, _ = run("health", "--server", "http://127.0.0.1:1")
    assert code == 1
    assert modules & HEAVY <= {"urllib3", "requests"}
