"""What the client of a stream says: its opening, then texts, until it says nothing more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

from servers.errors import InvalidRequest, SkylarkError
from servers.rpc import skylark_pb2 as wire
from servers.rpc.session import Session, Stream
from servers.rpc.threads import Context, Gone

log = logging.getLogger(__name__)
OPENING_S = 10.0


class Hearing(threading.Thread):
    """What the client of a stream says, until it says nothing more."""

    def __init__(self, session: Session, stream: Stream, said: Iterator[wire.SynthesizeRequest]) -> None:
        super().__init__(name="hearing", daemon=True)
        self._session, self._stream, self._said = session, stream, said
        self.error: SkylarkError | None = None
        """What was wrong with it: the stream ends."""

    def run(self) -> None:
        try:
            for message in self._said:
                self._hear(message)
            self._session.end_texts(self._stream)
        except SkylarkError as error:
            self._break(error)
        except Gone:
            pass  # which the stream is told too
        except Exception as error:
            fields = {"action": "error", "session_id": self._session.terms.session_id}
            log.error("a stream's text failed", exc_info=error, extra=fields)
            self._break(SkylarkError("an internal error; the worker's log has it"))

    def _hear(self, message: wire.SynthesizeRequest) -> None:
        if not message.HasField("text"):
            raise InvalidRequest("after the opening come texts", param="opening")
        self._session.say(self._stream, message.text.text, flush=message.text.flush)

    def _break(self, error: SkylarkError) -> None:
        self.error = error
        self._session.leave(self._stream)


def opened_by(said: Iterator[wire.SynthesizeRequest], context: Context) -> wire.Opening:
    """The stream's first message. Who opens one and says nothing is not waited for. Raises InvalidRequest."""
    patience = threading.Timer(OPENING_S, context.cancel)
    patience.start()
    try:
        first = next(said, None)
    finally:
        patience.cancel()
    if first is None or not first.HasField("opening"):
        raise InvalidRequest("the first message is the opening, with the session_id", param="opening")
    return first.opening
