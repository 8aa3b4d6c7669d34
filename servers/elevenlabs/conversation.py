"""One WebSocket: what its client says becomes contexts, whose speech goes back to it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from servers.elevenlabs import messages
from servers.elevenlabs.context import Context
from servers.elevenlabs.messages import Message
from servers.elevenlabs.spoken import Speaker
from servers.errors import InvalidRequest, QueueFull, SkylarkError, TooLarge
from servers.jobs.request import Requester
from servers.limits import check_texts
from servers.web.websocket import POLICY, MustClose, WebSocket

MOST_CONTEXTS = 10
"""Of one WebSocket, those that speak on after they were closed included."""
IDLE = "input_timeout_exceeded"


@dataclass
class Conversation:
    """A talk. Only `_is_quiet` is called by other threads."""

    speaker: Speaker
    requester: Requester
    inactivity_s: float
    is_automatic: bool
    """Each message is spoken as it comes."""
    is_one_clock: bool
    """Characters have the times of all of a context's audio."""
    has_contexts: bool
    """The client names contexts; else there is one, which the empty text ends."""
    start: int = 0
    """The sample from which it is gone on with."""
    _contexts: dict[str | None, Context] = field(default_factory=dict)
    _left: list[Context] = field(default_factory=list)
    """Contexts whose name was taken again before they had ended."""
    _is_ending: bool = False
    _quiet_at: float = 0.0

    def __call__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        try:
            self._listen()
        except MustClose as end:
            self._mute()
            websocket.send(messages.refusal(end.code, end.error, end.message, {}))
            raise
        finally:
            self._mute()
            for each in self._all():
                each.join()

    def _listen(self) -> None:
        heard_at = time.monotonic()
        while not self._is_over():
            text = self._websocket.receive(self._patience(heard_at))
            if text is not None:
                heard_at = time.monotonic()
                self._hear(text)
            elif self._patience(heard_at) <= 0:
                message = f"no text came within {self.inactivity_s:g} s"
                raise MustClose(POLICY, IDLE, message)

    def _patience(self, heard_at: float) -> float:
        """Seconds for which nothing need be said: while there is speech, and after its end."""
        if self._is_ending or any(each.is_busy for each in self._all()):
            return self.inactivity_s
        return self.inactivity_s - (time.monotonic() - max(heard_at, self._quiet_at))

    def _is_over(self) -> bool:
        """Closes it where the only context has failed, which was told."""
        only = None if self.has_contexts else self._contexts.get(None)
        if only is not None and only.failure is not None and not only.is_alive:
            self._websocket.close(messages.close_code(only.failure), only.failure.code)
            return True
        self._forget_ended()
        return self._is_ending and not any(each.is_alive for each in self._all())

    def _forget_ended(self) -> None:
        """One that has failed stays until its client closes it: what is still said to it means nothing."""
        self._left = [each for each in self._left if each.is_alive]
        ended = [name for name, each in self._contexts.items() if each.is_closing and not each.is_alive]
        for name in ended:
            del self._contexts[name]

    def _hear(self, text: str) -> None:
        if self._is_ending:
            return
        try:
            message = Message.read(text)
            if self.has_contexts:
                self._take(message)
            else:
                self._take_only(message)
            self._check_length()
        except SkylarkError as error:
            raise MustClose(POLICY, error.code, error.message) from None

    def _take_only(self, message: Message) -> None:
        """Of the only context."""
        if message.text is None and not message.flush:
            raise InvalidRequest("'text' is required", param="text")
        self._speak(message)
        if message.text == "":
            self._is_ending = True
            context = self._context(None)
            context.say(context.pending.flush())
            context.flush()
            context.close()

    def _take(self, message: Message) -> None:
        """Numbered as they are looked for:

        1. the end of all contexts: the conversation ends with what was flushed;
        2. the end of one, which may not be there any more;
        3. nothing at all, which keeps the connection alive;
        4. text.
        """
        if message.close_socket:  # 1
            self._is_ending = True
            for each in self._contexts.values():
                each.close()
        elif message.close_context:  # 2
            if message.context_id in self._contexts:
                self._contexts[message.context_id].close()
        elif message.text or message.flush:  # 3, 4
            self._speak(message)

    def _speak(self, message: Message) -> None:
        """Raises TooLarge, and QueueFull."""
        check_texts(message.text, self.speaker.door.limits, "text")
        context = self._context(message.context_id if self.has_contexts else None)
        if message.voice_settings is not None:
            context.speed = message.voice_settings.speed
        context.say(context.pending.add(message.text or ""))
        if message.flush or self.is_automatic:
            context.say(context.pending.flush())
        elif message.try_trigger_generation:
            context.say(context.pending.try_flush())
        if message.flush:
            context.flush()

    def _context(self, name: str | None) -> Context:
        """The one of that name, or a new one. Raises QueueFull."""
        known = self._contexts.get(name)
        if known is not None and not known.is_closing:
            return known
        if known is not None:
            self._left.append(known)
        if len(self._all()) - (known is not None) >= MOST_CONTEXTS:
            raise QueueFull(f"a WebSocket has {MOST_CONTEXTS} contexts at most: close some")
        told: dict[str, Any] = {"contextId": name} if self.has_contexts else {}
        context = Context(
            self.speaker,
            self.requester,
            self._websocket,
            told,
            self._is_quiet,
            self.is_one_clock,
            self.start,
        )
        self._contexts[name] = context
        return context

    def _check_length(self) -> None:
        limit = self.speaker.door.limits.max_request_chars
        if sum(each.unspoken() for each in self._all()) > limit:
            raise TooLarge(f"more than {limit} characters wait to be spoken")

    def _all(self) -> list[Context]:
        return [*self._contexts.values(), *self._left]

    def _mute(self) -> None:
        for each in self._all():
            each.mute()

    def _is_quiet(self) -> None:
        self._quiet_at = time.monotonic()
        self._websocket.nudge()
