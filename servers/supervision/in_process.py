"""supervisord in this process, as the first of a container: one stream of logs, and an exit code that tells.

What the servers write goes to stdout in lines of JSON, each with the name of the process it is from, and
supervisord's own among them. A server that cannot be kept running ends all the others, in order, and then
this process with 1; SIGTERM does the same with 0.
"""

from __future__ import annotations

import logging
import os
import sys
from logging.config import dictConfig
from pathlib import Path

from supervisor import events, loggers
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from servers import logs
from servers.settings import ROOT, Settings, SettingsError, settings
from servers.supervision.configuration import environment, prepare_container
from servers.supervision.output import Output
from servers.supervision.processes import may_be_lost, wanted

log = logging.getLogger("supervisord")


class OwnLog(loggers.Handler):  # type: ignore[misc]  # supervisor has no types
    """What supervisord says of itself, as a line of ours."""

    def emit(self, record: loggers.LogRecord) -> None:
        said = str(record.msg)
        log.log(record.level, "%s", said % record.kw if record.kw else said, extra={"action": "supervise"})


class Options(ServerOptions):  # type: ignore[misc]
    def make_logger(self) -> None:
        self.logger = loggers.getLogger(self.loglevel)
        self.logger.addHandler(OwnLog())


class Container(Supervisor):  # type: ignore[misc]
    """supervisord, which is told what its processes write, and when it has given one up."""

    given_up: str | None = None

    def __init__(self, options: Options, output: Output) -> None:
        super().__init__(options)
        self._output = output

    def runforever(self) -> None:
        events.subscribe(events.ProcessLogEvent, self._written)
        events.subscribe(events.ProcessStateEvent, self._changed)
        super().runforever()

    def _written(self, event: events.ProcessLogEvent) -> None:
        self._output.write(event.process.config.name, event.data)

    def _changed(self, event: events.ProcessStateEvent) -> None:
        name = event.process.config.name
        self._output.end(name)
        if isinstance(event, events.ProcessStateFatalEvent) and not may_be_lost(name):
            self.given_up = name
            log.critical("%s cannot be kept running: stopping everything", name, extra={"action": "give_up"})
            self.options.mood = SupervisorStates.SHUTDOWN


def run() -> int:
    """Returns the exit code, once all have ended."""
    try:
        loaded = settings()
        _log_to_stdout(loaded.log_level)
        configuration = _prepare(loaded)
    except SettingsError as error:
        raise SystemExit(f"skylark: {error}") from None
    except OSError as error:
        whose = f"user {os.getuid()} has to be able to write there, and there has to be room"
        raise SystemExit(f"skylark: {error.filename}: {error.strerror}: {whose}") from None
    os.environ.update(environment(loaded.data_dir))
    os.chdir(ROOT)
    return supervise(configuration)


def _log_to_stdout(level: str) -> None:
    configuration = logs.config(level)
    configuration["handlers"]["stderr"]["stream"] = "ext://sys.stdout"
    dictConfig(configuration)


def _prepare(loaded: Settings) -> Path:
    """Raises OSError."""
    os.umask(0o077)  # what people say is the servers' user's alone
    data_dir = loaded.data_dir
    for folder in (data_dir, Path(os.environ.get("TMPDIR", data_dir))):
        folder.mkdir(parents=True, exist_ok=True)
    return prepare_container(data_dir, wanted(loaded))


def supervise(configuration: Path) -> int:
    """Until all have ended; the exit code."""
    options = Options()
    options.realize(["--nodaemon", "--silent", "--configuration", str(configuration)])
    options.first, options.test = True, False
    container = Container(options, Output(sys.stdout.buffer))
    try:
        container.main()
    except ExitNow:
        log.info("all have ended", extra={"action": "end"})
    options.close_httpservers()
    return 0 if container.given_up is None else 1
