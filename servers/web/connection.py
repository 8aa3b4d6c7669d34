"""One client's connection. The event loop receives each request whole and hands replies on as fast as the
client takes them, so that a slow client costs a descriptor and never a thread.

    idle ──first byte──► receiving ──complete──► working ──replied──► flushing ──taken──► idle
                             │                      │                     └── last reply ──► closed
                             │                      └── switched ──► talking ──► lingering ──► closed
                             └────────── refused ──► lingering ──► closed
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

import h11

from servers.errors import EngineUnavailable, MalformedRequest, QueueFull, RequestTimeout, SkylarkError
from servers.web import log, request_ids
from servers.web.bounds import RETRY_AFTER_S
from servers.web.exchange import Exchange, Failure
from servers.web.outgoing import Outgoing
from servers.web.phases import Due, Phase, due, due_at_the_end
from servers.web.receiving import Progress, Receiving
from servers.web.takeover import Takeover
from servers.web.websocket import Talk
from servers.web.wsgi import CONNECTED, MAX_HEAD, ON_LEAVE, UPGRADE, Ends, refusal

if TYPE_CHECKING:
    from servers.web.listener import Listener

READ_AHEAD = 65_536
"""Bytes of a next request that are kept while one is in hand."""


class Connection(asyncio.Protocol):
    """Its methods belong to the event loop, but for `connected`.

    h11's state is the request's thread's while the phase is WORKING.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self.phase, self.since = Phase.IDLE, time.monotonic()
        self._heard_at = self.since
        self._ahead = b""
        self._gone = False
        self._exchange: Exchange | None = None
        self._talk: Talk | None = None
        self._takeover: Takeover | None = None

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._outgoing = Outgoing(self._transport, self._listener.post)
        self._ends = Ends.of(transport)
        self._request = self._next_request()
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
            case Phase.TALKING if self._takeover is not None:
                self._takeover.hear(data)
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

    def _leave(self) -> None:
        self._gone = True
        for in_hand in (self._exchange, self._takeover):
            if in_hand is not None:
                in_hand.leave()

    # from phase to phase

    def _enter(self, phase: Phase) -> None:
        self.phase, self.since = phase, time.monotonic()
        self._listener.moved(self)

    def _next_request(self) -> Receiving:
        def spool(size: int) -> None:
            self._listener.spool(self, size)

        return Receiving(self._http, self._ends, self._listener, spool, self._outgoing.hand)

    def _receive(self, data: bytes) -> None:
        """`data` may be empty where some was left over."""
        if self.phase is Phase.IDLE:
            self._enter(Phase.RECEIVING)
        try:
            progress = self._request.read(data)
        except SkylarkError as error:
            self._refuse(error)
            return
        if progress is Progress.COMPLETE:
            self._work()
        elif progress is Progress.HAS_MORE:
            self._transport.pause_reading()
            self._listener.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self.phase is Phase.RECEIVING and not self._outgoing.lost:
            self._transport.resume_reading()
            self._receive(b"")

    def _work(self) -> None:
        """A thread is given the request."""
        self._enter(Phase.WORKING)
        self._exchange = Exchange(self._listener, self._http, self._outgoing, self._replied)
        environ = self._request.environ()
        environ |= {CONNECTED: self.connected, ON_LEAVE: self._exchange.when_gone}
        if self._request.asks_for_websocket:
            environ[UPGRADE] = self._upgrade
        self._listener.submit(self._exchange, environ)

    def connected(self) -> bool:
        """Whether the client still waits for the request in hand."""
        return not self._gone

    def _replied(self, failure: Failure | None) -> None:
        self._exchange = None
        self._drop_body()
        talk, self._talk = self._talk, None
        if failure is not None and failure.begun:
            self._outgoing.reset()
        elif failure is not None:
            self._refuse(failure.error)
        elif talk is not None and self._switched():
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
            self._await_next()
        elif theirs in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            self._transport.close()
        else:  # it may be sending still
            self._linger()

    def _await_next(self) -> None:
        self._http.start_next_cycle()
        self._request = self._next_request()
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
            self._outgoing.hand(start + (b"" if self._request.is_head else body))
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

    def _drop_body(self) -> None:
        self._request.drop_body()
        self._listener.unspool(self)

    # a WebSocket

    def _upgrade(self, talk: Talk) -> None:
        """Has the reply that is to come switch to WebSocket; for the thread of the request.

        Raises MalformedRequest, and QueueFull.
        """
        if self._ahead or self._http.trailing_data[0]:
            raise MalformedRequest("nothing may come behind the handshake before it was answered")
        self._listener.reserve(self)
        self._talk = talk

    def _switched(self) -> bool:
        switched = self._http.our_state is h11.SWITCHED_PROTOCOL
        return switched and not self._transport.is_closing()

    def _begin_talk(self, talk: Talk) -> None:
        self._takeover = Takeover(self._listener, self._transport, self._outgoing, talk, self._talked)
        self._enter(Phase.TALKING)
        self._listener.talks(self)
        if self._gone:
            self._takeover.leave()
        ahead, self._ahead = self._ahead, b""
        self._transport.resume_reading()
        self._takeover.hear(ahead)
        self._listener.submit_talk(self._takeover)

    def _talked(self) -> None:
        if self._outgoing.lost:
            return
        assert self._takeover is not None
        if self._gone or self._takeover.is_over:
            self._transport.close()
        else:
            self._linger()

    # what the listener asks

    @property
    def address(self) -> str:
        """The host that it comes from; empty for a Unix socket."""
        return self._ends.client[0]

    def look(self, now: float) -> None:
        """Called each second: ends what its client has let wait for too long."""
        if self._outgoing.stalled(now):
            self._outgoing.reset()
        is_slow = self.phase is Phase.RECEIVING and self._request.is_slow(now, self.since)
        lasted_s, silent_s = now - self.since, now - self._heard_at
        idle_s = self._listener.idle_s
        self._do(due(self.phase, lasted_s=lasted_s, silent_s=silent_s, is_slow=is_slow, idle_s=idle_s))

    def look_at_the_end(self, stopping_s: float) -> None:
        """The same while the listener stops, which it has done for so long."""
        self._do(due_at_the_end(self.phase, stopping_s))

    def _do(self, action: Due | None) -> None:
        match action:
            case Due.CLOSE:
                self._transport.close()
            case Due.TIME_OUT:
                self._refuse(RequestTimeout("the request did not come whole in time"))
            case Due.TURN_AWAY:
                self._refuse(EngineUnavailable("the server is stopping", retry_after_s=RETRY_AFTER_S))
            case Due.GO_AWAY:
                self.go_away()
            case Due.RESET:
                self.evict()

    def go_away(self) -> None:
        """The listener stops, and a WebSocket would go on for ever."""
        if self.phase is Phase.TALKING and self._takeover is not None:
            self._takeover.go_away()

    def evict(self) -> None:
        """Ends it at once, without a word."""
        self._outgoing.reset()

    def unsent(self) -> int:
        """Bytes of its reply that are in memory."""
        return self._outgoing.unsent()
