"""Logs: one JSON object a line on stderr, one line for each request. No text, no key, no query string.

An exception is logged as its type and its frames, never with its message: messages quote their input,
and the input is what people said.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from flask import Flask, Response, g, request

from servers.web.request_ids import request_id

logger = logging.getLogger(__name__)

PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""A record's own attributes; the others are the fields that the caller gave as `extra`."""


class JsonLines(logging.Formatter):
    """{"at", "level", "logger", "pid", "message"} and the caller's `extra` fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in PLAIN}
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


def config(level: str) -> dict[str, Any]:
    """For logging.config.dictConfig: everything to stderr, one JSON object a line."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.{JsonLines.__name__}"}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
        },
        "root": {"level": level, "handlers": ["stderr"]},
        # These would log each call to the engine, and with DEBUG its headers.
        "loggers": {"httpx": {"level": "WARNING"}, "httpcore": {"level": "WARNING"}},
    }


def install(app: Flask) -> None:
    """One line for each request, when its last byte has been made."""
    app.before_request(_start)
    app.after_request(_finish)


def _start() -> None:
    g.started_at = time.monotonic()


def _finish(response: Response) -> Response:
    started_at = g.started_at
    line = {
        "action": "request",
        "request_id": request_id(),
        "method": request.method,
        "path": request.root_path + request.path,
        "endpoint": request.endpoint,
        "status": response.status_code,
        "error": g.get("error_code"),
        "owner": g.get("owner"),
        "bytes_in": request.content_length,
        "bytes_out": response.content_length,
    }

    def write() -> None:
        duration_ms = round((time.monotonic() - started_at) * 1000, 1)
        logger.info("request", extra=line | {"duration_ms": duration_ms})

    if response.is_streamed:
        response.call_on_close(write)
    else:
        write()
    return response
