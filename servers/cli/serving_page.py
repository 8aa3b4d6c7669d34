"""What `skylark page` does: finds the page of an appliance, or runs a proxy that serves it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from servers import ROOT
from servers.child import end_with_parent
from servers.cli import config, here
from servers.cli.failures import CommandFailed, WrongUsage
from servers.cli.interruptions import interruptible
from servers.cli.output import complain
from servers.supervision.processes import DEFAULT_PORT_BASE, PROXY, PROXY_OFFSET

HOST = "127.0.0.1"
PORT = DEFAULT_PORT_BASE + PROXY_OFFSET
"""What a browser keeps for a page it keeps by its port, too: so the same one where that is free."""
READY_S = 60.0
STOP_S = 60.0
LOOK_S = 0.05
ASK_S = 2.0


def of_appliance(config_file: Path | None, port: int | None) -> str | None:
    """The page of the appliance that runs from this checkout; None too where another one is wanted."""
    if config_file is not None or port is not None:
        return None
    appliance = here.running_here()
    return None if appliance is None else appliance.page


def show(url: str, *, open_it: bool) -> None:
    print(url, flush=True)
    if open_it and not webbrowser.open(url):
        complain(f"no browser could be opened: go to {url}")


def serve(config_file: Path | None, port: int | None, *, open_it: bool) -> None:
    """Until Ctrl-C. Raises ConfigError, WrongUsage where no servers are named, CommandFailed."""
    file = config.file(config_file)
    if file is None:
        raise WrongUsage(_what_to_do())
    config.of(file)
    free = _free(port)
    with interruptible(), _proxy(file.absolute(), free) as proxy:
        try:
            _wait_until_ready(proxy, free)
            show(f"http://{HOST}:{free}", open_it=open_it)
            code = proxy.wait()
        except KeyboardInterrupt:
            return
    raise CommandFailed(f"the page is not served any more: its server ended with {code}")


def _what_to_do() -> str:
    if here.running_here() is not None:
        return (
            "what runs here serves no page (proxy.beside is false): start it with the page, or "
            "name a server_config.json with --config"
        )
    return (
        "nothing serves a page here: start scripts/up, which does, or name the servers that a page is to ask "
        "in a server_config.json, with --config FILE"
    )


def _free(port: int | None) -> int:
    """A port that nobody listens at: that one; or PORT, and any where that is taken."""
    for wanted in (PORT, 0) if port is None else (port,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
            try:
                probe.bind((HOST, wanted))
                probe.listen()
            except OSError as error:
                why = error.strerror
            else:
                found: int = probe.getsockname()[1]
                return found
    raise CommandFailed(f"port {port}: {why}: end what uses it, or choose another one with --port N")


@contextmanager
def _proxy(file: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """It, on this machine alone; it has ended when this is left."""
    own = {
        "SKYLARK_PROXY__SERVER_CONFIG": str(file),
        "SKYLARK_PROXY__HOST": HOST,
        PROXY.port_variable: str(port),
    }
    quiet = {"SKYLARK_LOG_LEVEL": os.environ.get("SKYLARK_LOG_LEVEL", "WARNING")}
    command = [sys.executable, "-m", PROXY.module]
    # A session of its own: a terminal's Ctrl-C is for this process.
    proxy = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | quiet | own,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )
    try:
        yield proxy
    finally:
        proxy.terminate()
        try:
            proxy.wait(STOP_S)
        except subprocess.TimeoutExpired:
            proxy.kill()
            proxy.wait()


def _wait_until_ready(proxy: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_S
    while not _answers(port):
        if (code := proxy.poll()) is not None:
            raise CommandFailed(f"the page cannot be served: its server ended with {code}")
        if time.monotonic() > deadline:
            raise CommandFailed(f"the page is not served after {READY_S:.0f} s")
        time.sleep(LOOK_S)


def _answers(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=ASK_S)
    try:
        connection.request("GET", PROXY.ready_path or "/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
