"""One client's connection. The event loop receives each request whole and hands replies on as fast as the
client takes them, so that a slow client costs a descriptor and never a thread.

    idle ──first byte──► receiving ──whole──► working ──replied──► flushing ──taken──► idle
                             │                   │                     └── last reply ──► closed
                             │                   └── switched ──► talking ──► lingering ──► closed
                             └────────── refused ──► lingering ──► closed
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import h11

from servers.errors import (
    EngineUnavailable,
    MalformedRequest,
    QueueFull,
    RequestTimeout,
    SkylarkError,
)
from servers.web import log, request_ids
from servers.web.incoming import Incoming
from servers.web.outgoing import ClientGone, Outgoing
from servers.web.websocket import Talk, WebSocket
from servers.web.wsgi import (
    CONNECTED,
    MAX_HEAD,
    NOWHERE,
    ON_LEAVE,
    UPGRADE,
    Environ,
    Reply,
    address,
    asks_for_websocket,
    environ,
    not_http,
    refusal,
    with_body,
)

if TYPE_CHECKING:
    from servers.web.listener import Listener

HEAD_S = 15.0
"""A request's line and headers have come this long after their first byte."""
READ_AHEAD = 65_536
"""Bytes of a next request that are kept while one is in hand."""
EVENTS = 500
"""Parts of requests that are looked at before others have their turn: chunks may be tiny."""
IDLE_S = 75.0
"""Above the 60 s after which an ALB gives up an idle connection."""
LINGER_S, QUIET_S = 30.0, 2.0
"""How long a client that sends on is listened to after its last reply, and for how long while it is silent:
to close at once would lose the reply."""

IDLE_AT_THE_END_S, RECEIVING_AT_THE_END_S, TALKING_AT_THE_END_S = 1.0, 5.0, 10.0
RETRY_AFTER_S = 5.0
SAID_ALL = (h11.DONE, h11.MIGHT_SWITCH_PROTOCOL)  # type: ignore[attr-defined]
"""h11's states of a client whose request is whole; an Upgrade that it proposes is let pass."""


class Phase(Enum):
    IDLE = "idle"
    RECEIVING = "receiving"
    WORKING = "working"
    FLUSHING = "flushing"
    TALKING = "talking"
    LINGERING = "lingering"


class Connection(asyncio.Protocol):
    """Its methods belong to the event loop; `work` and what that calls, to the thread of the request in hand,
    and `talk` to the WebSocket's.

    h11's state is the thread's while the phase is WORKING.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self.phase, self.since = Phase.IDLE, time.monotonic()
        self._incoming: Incoming | None = None
        self._ahead = b""
        self._talk: Talk | None = None
        self._websocket: WebSocket | None = None
        self._gone = self._is_head = False
        self._on_leave: list[Callable[[], object]] = []
        self._heard_at = self.since

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._outgoing = Outgoing(self._transport, self._post)
        is_unix = transport.get_extra_info("socket").family == socket.AF_UNIX
        self.client = NOWHERE if is_unix else address(transport.get_extra_info("peername"))
        self._server = NOWHERE if is_unix else address(transport.get_extra_info("sockname"))
        try:
            self._listener.admit(self)
        except QueueFull as error:
            self._refuse(error)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        match self.phase:
            case Phase.LINGERING:
                self._heard_at = time.monotonic()
            case Phase.WORKING | Phase.FLUSHING:
                self._ahead += data
                if len(self._ahead) > READ_AHEAD:
                    self._transport.pause_reading()
            case Phase.TALKING:
                self._hear(data)
            case Phase.IDLE if data := data.lstrip(b"\r\n"):  # empty lines before a request are let pass
                self._receive(data)
            case Phase.RECEIVING:
                self._receive(data)

    def eof_received(self) -> bool:
        """Who has closed the sending side counts as gone; a reply in hand is written all the same."""
        self._leave()
        return self.phase in (Phase.WORKING, Phase.FLUSHING)

    def pause_writing(self) -> None:
        self._outgoing.wait(True)

    def resume_writing(self) -> None:
        self._outgoing.wait(False)
        if self.phase is Phase.FLUSHING:
            self._flushed()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._leave()
        self._outgoing.lose()
        if self.phase is not Phase.WORKING:
            self._drop_body()
        self._listener.forget(self)

    # a request comes in

    def _receive(self, data: bytes) -> None:
        """`data` may be empty where some was left over."""
        if self.phase is Phase.IDLE:
            self._enter(Phase.RECEIVING)
        try:
            if data:  # to h11 an empty one is the end of the connection
                self._http.receive_data(data)
            self._advance()
        except h11.RemoteProtocolError as error:
            self._refuse(not_http(error))
        except SkylarkError as error:
            self._refuse(error)

    def _advance(self) -> None:
        body: list[bytes] = []
        for _ in range(EVENTS):
            event = self._http.next_event()
            if isinstance(event, h11.Data):
                body.append(bytes(event.data))
                continue
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.EndOfMessage):
                self._keep(body)
                if self.phase is Phase.RECEIVING:
                    self._dispatch()
            if event is h11.NEED_DATA or self.phase is not Phase.RECEIVING:
                break
        else:
            self._transport.pause_reading()
            self._listener.loop.call_soon(self._go_on)
        if self.phase is Phase.RECEIVING:
            self._keep(body)

    def _go_on(self) -> None:
        if self.phase is Phase.RECEIVING and not self._outgoing.lost:
            self._transport.resume_reading()
            self._receive(b"")

    def _begin(self, request: h11.Request) -> None:
        self._is_head = request.method == b"HEAD"
        self._environ = environ(request, self._server, self.client)
        length = int(self._environ.get("CONTENT_LENGTH", 0))
        chunked = any(name == b"transfer-encoding" for name, _ in request.headers)
        if chunked and "CONTENT_LENGTH" in self._environ:
            raise MalformedRequest("a body has Content-Length or Transfer-Encoding, not both")
        self._incoming = Incoming()
        has_body = chunked or length > 0
        if asks_for_websocket(request) and not has_body:
            self._environ[UPGRADE] = self._upgrade
        if length > self._listener.max_body or (has_body and not self._listener.admits(self._environ)):
            self._dispatch(length)  # the app says why; its body is not received
        elif self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            self._outgoing.hand(self._http.send(go_on) or b"")

    def _keep(self, body: list[bytes]) -> None:
        if not body:
            return
        assert self._incoming is not None
        data = b"".join(body)
        body.clear()
        self._listener.spool(self, len(data))
        self._incoming.keep(data)
        if self._incoming.size > self._listener.max_body:
            self._dispatch()

    def _dispatch(self, length: int | None = None) -> None:
        """To a thread, with the body that has come, and the length that was promised where it has not."""
        assert self._incoming is not None
        self._incoming.file.seek(0)
        length = self._incoming.size if length is None else length
        self._enter(Phase.WORKING)
        request = with_body(self._environ, self._incoming.file, length)
        self._on_leave.clear()
        self._listener.submit(self, request | {CONNECTED: self.connected, ON_LEAVE: self._when_gone})

    # a thread replies

    def work(self, environ: Environ) -> None:
        """Calls the app and sends its reply; the loop is told of the end."""
        try:
            if not self._outgoing.lost:
                self._answer(environ)
        finally:
            self._post(self._replied)

    def _answer(self, environ: Environ) -> None:
        reply = Reply(self._http, self._outgoing.send, self._is_last)
        try:
            reply.run(self._listener.app, environ)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  # a defect of the app or of its stream, whatever it is
            log.logger.error("a reply broke off", exc_info=error, extra={"action": "error"})
            if reply.begun:
                self._post(self._outgoing.reset)
            else:
                self._post(self._refuse, SkylarkError("an internal error; the server's log has it"))

    def _is_last(self) -> bool:
        return self._listener.stopping or self._http.their_state not in SAID_ALL

    def _upgrade(self, talk: Talk) -> None:
        """Has the reply that is to come switch to WebSocket. Raises MalformedRequest, and QueueFull."""
        if self._ahead or self._http.trailing_data[0]:
            raise MalformedRequest("nothing may come behind the handshake before it was answered")
        self._listener.reserve(self)
        self._talk = talk

    def connected(self) -> bool:
        """Whether the client still waits for the request in hand."""
        return not self._gone

    def _when_gone(self, call: Callable[[], object]) -> None:
        self._post(self._register, call)

    def _register(self, call: Callable[[], object]) -> None:
        if self.phase is not Phase.WORKING:
            return
        if self._gone:
            self._listener.call_for_gone(call)
        else:
            self._on_leave.append(call)

    def _leave(self) -> None:
        """Its client has gone: nobody waits for what is in hand, which may itself wait for long."""
        self._gone = True
        if self._websocket is not None:
            self._websocket.lost()
        calls, self._on_leave = self._on_leave, []
        for call in calls if self.phase is Phase.WORKING else ():
            self._listener.call_for_gone(call)

    def _post(self, call: Any, *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop has ended, and the process with it
            self._listener.loop.call_soon_threadsafe(call, *arguments)

    # and the loop goes on

    def _replied(self) -> None:
        self._drop_body()
        talk, self._talk = self._talk, None
        if talk is not None and self._switched():
            self._begin_talk(talk)
            return
        if talk is not None:
            self._listener.release(self)
        if self._outgoing.lost or self.phase is not Phase.WORKING:
            return
        self._enter(Phase.FLUSHING)
        if not self._outgoing.waiting:
            self._flushed()

    def _flushed(self) -> None:
        ours, theirs = self._http.our_state, self._http.their_state
        if self._gone:
            self._transport.close()
        elif (ours, theirs) == (h11.DONE, h11.DONE):
            self._next()
        elif theirs in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            self._transport.close()
        else:  # it may be sending still
            self._linger()

    # a WebSocket

    def _switched(self) -> bool:
        switched = self._http.our_state is h11.SWITCHED_PROTOCOL
        return switched and not self._transport.is_closing()

    def _begin_talk(self, talk: Talk) -> None:
        self._websocket = WebSocket(self._outgoing, lambda: self._post(self._read_on))
        self._enter(Phase.TALKING)
        self._listener.talks(self)
        if self._gone:
            self._websocket.lost()
        ahead, self._ahead = self._ahead, b""
        self._transport.resume_reading()
        self._hear(ahead)
        self._listener.submit_talk(self, talk)

    def _hear(self, data: bytes) -> None:
        assert self._websocket is not None
        if not self._websocket.received(data):
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if self.phase is Phase.TALKING and not self._outgoing.lost:
            self._transport.resume_reading()

    def talk(self, talk: Talk) -> None:
        assert self._websocket is not None
        try:
            talk(self._websocket)
        finally:
            self._post(self._talked)

    def _talked(self) -> None:
        if self._outgoing.lost:
            return
        assert self._websocket is not None
        if self._gone or self._websocket.is_over:
            self._transport.close()
        else:
            self._linger()

    def go_away(self) -> None:
        """The listener stops, and a WebSocket would go on for ever."""
        if self.phase is Phase.TALKING and self._websocket is not None:
            self._websocket.go_away()

    def _next(self) -> None:
        self._http.start_next_cycle()
        self._enter(Phase.IDLE)
        ahead, self._ahead = self._ahead, b""
        self._transport.resume_reading()
        if self._http.trailing_data[0]:
            self._receive(ahead)
        elif ahead:
            self.data_received(ahead)

    def _refuse(self, error: SkylarkError) -> None:
        """Answers what no app was asked, and closes."""
        self._drop_body()
        request_id = request_ids.new()
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer, body = refusal(error, request_id)
            start = self._http.send(answer) or b""
            self._outgoing.hand(start + (b"" if self._is_head else body))
        log.refused(error, request_id)
        self._linger()

    def _linger(self) -> None:
        self._enter(Phase.LINGERING)
        self._heard_at = self.since
        self._transport.resume_reading()
        try:
            self._transport.write_eof()
        except OSError:  # it has reset the connection
            self._transport.abort()

    def _enter(self, phase: Phase) -> None:
        self.phase, self.since = phase, time.monotonic()
        self._listener.moved(self)

    def _drop_body(self) -> None:
        if self._incoming is not None:
            self._incoming.close()
            self._incoming = None
            self._listener.unspool(self)

    # the clock

    def look(self, now: float) -> None:
        """Called each second: ends what its client has let wait for too long."""
        if self._outgoing.stalled(now):
            self._outgoing.reset()
        match self.phase:
            case Phase.IDLE if now - self.since > IDLE_S:
                self._transport.close()
            case Phase.RECEIVING if self._too_slow(now):
                self._refuse(RequestTimeout("the request did not come whole in time"))
            case Phase.LINGERING if now - self._heard_at > QUIET_S or now - self.since > LINGER_S:
                self._transport.close()

    def look_at_the_end(self, waited_s: float) -> None:
        """The same while the listener stops, which it has done for so long: an idle connection may be about
        to be used, and a request about to be whole.
        """
        match self.phase:
            case Phase.IDLE if waited_s > IDLE_AT_THE_END_S:
                self._transport.close()
            case Phase.RECEIVING if waited_s > RECEIVING_AT_THE_END_S:
                self._refuse(EngineUnavailable("the server is stopping", retry_after_s=RETRY_AFTER_S))
            case Phase.LINGERING if waited_s > RECEIVING_AT_THE_END_S:
                self._transport.close()
            case Phase.TALKING if waited_s > TALKING_AT_THE_END_S:
                self.evict()
            case Phase.TALKING:
                self.go_away()

    def unsent(self) -> int:
        """Bytes of its reply that are in memory."""
        return self._outgoing.unsent()

    def _too_slow(self, now: float) -> bool:
        return now - self.since > HEAD_S if self._incoming is None else self._incoming.too_slow(now)

    def evict(self) -> None:
        """Ends it at once, without a word."""
        self._outgoing.reset()
