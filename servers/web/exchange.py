"""A request and its reply: a thread calls the app, while the event loop knows whether the client is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h11

from servers.errors import SkylarkError
from servers.web import log
from servers.web.outgoing import ClientGone, Outgoing
from servers.web.wsgi import Environ, Reply

if TYPE_CHECKING:
    from servers.web.listener import Listener

SAID_ALL = (h11.DONE, h11.MIGHT_SWITCH_PROTOCOL)  # type: ignore[attr-defined]
"""h11's states of a client whose request is whole; an Upgrade that it proposes is let pass."""


@dataclass(frozen=True)
class Failure:
    """Why a reply ended before its end, and whether a part of it was sent."""

    error: SkylarkError
    begun: bool


class Exchange:
    """`run` and `when_gone` belong to the threads of the request, the rest to the event loop."""

    def __init__(
        self,
        listener: Listener,
        http: h11.Connection,
        outgoing: Outgoing,
        ended: Callable[[Failure | None], None],
    ) -> None:
        """`ended` is called in the loop, once the thread has done all it can."""
        self._listener, self._http, self._outgoing, self._ended = listener, http, outgoing, ended
        self._gone = self._is_over = False
        self._on_leave: list[Callable[[], object]] = []

    def run(self, environ: Environ) -> None:
        """Calls the app and sends its reply."""
        failure = None
        try:
            if not self._outgoing.lost:
                failure = self._answer(environ)
        finally:
            self._listener.post(self._end, failure)

    def _answer(self, environ: Environ) -> Failure | None:
        reply = Reply(self._http, self._outgoing.send, self._is_last)
        try:
            reply.run(self._listener.app, environ)
        except ClientGone:
            return None
        except SkylarkError as error:  # how a stream fails that has begun
            if not self._gone:
                log.broke_off(error)
            return Failure(error, reply.begun)
        except Exception as error:  # noqa: BLE001  # a defect of the app or of its stream, whatever it is
            log.logger.error("a reply broke off", exc_info=error, extra={"action": "error"})
            internal = SkylarkError("an internal error; the server's log has it")
            return Failure(internal, reply.begun)
        return None

    def _is_last(self) -> bool:
        return self._listener.stopping or self._http.their_state not in SAID_ALL

    def _end(self, failure: Failure | None) -> None:
        self._is_over = True
        self._on_leave.clear()
        self._ended(failure)

    def when_gone(self, call: Callable[[], object]) -> None:
        """Has it called in another thread if the client goes away before the end; at once where it has."""
        self._listener.post(self._register, call)

    def _register(self, call: Callable[[], object]) -> None:
        if self._is_over:
            return
        if self._gone:
            self._listener.call_for_gone(call)
        else:
            self._on_leave.append(call)

    def leave(self) -> None:
        """Its client has gone: nobody waits for what is in hand, which may itself wait for long."""
        self._gone = True
        calls, self._on_leave = self._on_leave, []
        for call in calls:
            self._listener.call_for_gone(call)
