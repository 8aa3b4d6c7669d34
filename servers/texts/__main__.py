"""`python -m servers.texts FD`: the process that does the text work, asked over the socket FD.

A question is {"do": "segment" | "normalize", …its arguments…} and the answer {"answer": …} or
{"error": SkylarkError}. The process ends with the server that started it, and when nobody has asked for a
while.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from servers import child
from servers.errors import BackendFailed, SkylarkError
from servers.text.nemo import normalize
from servers.text.segment import segment

IDLE_S = 600.0
log = logging.getLogger(__name__)


def _normalize(text: str, language: str, grammars: str) -> str:
    return normalize(text, Path(grammars), language)


TASKS: dict[str, Callable[..., Any]] = {"segment": segment, "normalize": _normalize}


def main(fd: int) -> None:
    child.begin()
    server = Connection(fd)
    questions: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_receive, args=(server, questions), daemon=True).start()
    while (question := _next(questions)) is not None:
        server.send_bytes(json.dumps(answer(question)).encode())


def _receive(server: Connection, questions: SimpleQueue[dict[str, Any]]) -> None:
    try:
        while True:
            questions.put(json.loads(server.recv_bytes()))
    except (EOFError, OSError):
        os._exit(0)  # the server is gone: whatever is worked on is in vain


def _next(questions: SimpleQueue[dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return questions.get(timeout=IDLE_S)
    except Empty:
        return None


def answer(question: dict[str, Any]) -> dict[str, Any]:
    task = question.pop("do")
    try:
        return {"answer": TASKS[task](**question)}
    except SkylarkError as error:
        return {"error": error.to_dict()}
    except Exception as error:  # noqa: BLE001 - whatever a library raises is the answer
        cause = type(error).__name__  # its message may have the text in it
        log.error("text work failed", extra={"action": "text_work", "task": task, "error": cause})
        return {"error": BackendFailed(f"{task} failed on this text ({cause})", param="text").to_dict()}


if __name__ == "__main__":
    main(int(sys.argv[1]))
