"""Logs: one JSON object a line on stderr, with an `action` and a sentence. No text, no key, no query string.

An exception is logged as its type and its frames, never with its message: messages quote their input,
and the input is what people said.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Collection
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""A record's own attributes; the others are the fields that the caller gave as `extra`."""


class JsonLines(logging.Formatter):
    """{"at", "level", "logger", "pid", "message"} and the caller's `extra` fields, but those in `without`."""

    def __init__(self, without: Collection[str] = ()) -> None:
        super().__init__()
        self._left_out = PLAIN | frozenset(without)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in self._left_out}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)

    def formatException(  # noqa: N802  # logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        parts = []
        error = ei[1]
        while error is not None:
            frames = "".join(traceback.format_tb(error.__traceback__))
            parts.append(f"{frames}{type(error).__module__}.{type(error).__qualname__}")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\ncaused by\n".join(parts)


def config(level: str, without: Collection[str] = ()) -> dict[str, Any]:
    """For logging.config.dictConfig: everything to stderr, one JSON object a line, without those fields."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.{JsonLines.__name__}", "without": tuple(without)}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
        },
        "root": {"level": level, "handlers": ["stderr"]},
        # It would log each call to the engine.
        "loggers": {"urllib3": {"level": "WARNING"}},
    }
