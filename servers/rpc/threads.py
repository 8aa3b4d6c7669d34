"""A gRPC server for calls that block, each in a thread of its own, behind an event loop.

gRPC's own server for threads hands every message of a stream to another thread and waits until that has it.
Here the call's thread fills a buffer, and the loop sends what is in it: a fifth less of the processor's time
for each frame of fifty streams.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, TypeVar

import grpc

MOST_WAITING = 16
"""Messages of a call that are made and that gRPC has not taken: a slow client holds its call up there."""
Metadata = Sequence[tuple[str, str | bytes]]
T = TypeVar("T")


class Aborted(Exception):
    """The call ends with that status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


class Gone(Exception):
    """Nothing comes any more from a client whose call is over."""


class Context:
    """A call, for the thread that has it: the methods of `grpc.ServicerContext` that calls here use."""

    def __init__(self, call: grpc.aio.ServicerContext, loop: asyncio.AbstractEventLoop) -> None:
        self._call, self._loop = call, loop
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self._is_over = False
        self._trailing: Metadata = ()
        self.answers = _Answers(loop)
        self.log_fields: dict[str, str] = {}
        """What a line about it has besides."""

    def invocation_metadata(self) -> Metadata:
        return tuple(self._call.invocation_metadata() or ())

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        self._trailing = metadata

    def trailing_metadata(self) -> Metadata:
        return self._trailing

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise Aborted(code, details)

    def cancel(self) -> None:
        """Ends the call, whatever its thread is at."""
        self.answers.end(Aborted(grpc.StatusCode.CANCELLED, "the call was cancelled"))

    def is_active(self) -> bool:
        return not self._is_over

    def add_callback(self, callback: Callable[[], object]) -> bool:
        """Called, in a thread, when the call is over; returns False where it is already."""
        with self._lock:
            if not self._is_over:
                self._callbacks.append(callback)
            return not self._is_over

    def requests(self) -> Iterator[Any]:
        """What the client sends, as it comes. Raises Gone."""
        while True:
            reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
            if not self.add_callback(reading.cancel):
                reading.cancel()
            try:
                message = reading.result()
            except CancelledError:
                raise Gone from None
            finally:
                self._forget(reading)
            if message is grpc.aio.EOF:
                return
            yield message

    async def _read(self) -> Any:
        message = await self._call.read()
        if message is grpc.aio.EOF:
            await asyncio.sleep(0)  # of a client that is gone it is told afterwards
            if self._is_over:
                raise asyncio.CancelledError
        return message

    def _forget(self, reading: Future[Any]) -> None:
        with self._lock:
            self._callbacks = [each for each in self._callbacks if each != reading.cancel]

    def end(self) -> None:
        """The client has gone, or has all of it."""
        with self._lock:
            self._is_over = True
            callbacks, self._callbacks = self._callbacks, []
        self.answers.close()
        for callback in callbacks:
            threading.Thread(target=callback, name="leaving", daemon=True).start()


class _Answers:
    """From the call's thread to the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._taken = threading.Condition()
        self._waiting: deque[Any] = deque()
        self._given = asyncio.Event()
        self._is_told = self._is_closed = self._has_ended = False
        self._error: BaseException | None = None

    def put(self, message: Any) -> bool:
        """Waits while MOST_WAITING are there. Returns False once nobody takes any."""
        with self._taken:
            while len(self._waiting) >= MOST_WAITING and not self._is_closed:
                self._taken.wait()
            if self._is_closed:
                return False
            self._waiting.append(message)
            self._tell()
            return True

    def end(self, error: BaseException | None = None) -> None:
        """No other one comes. The first end counts."""
        with self._taken:
            if not self._has_ended and not self._is_closed:
                self._has_ended, self._error = True, error
                self._tell()

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._loop.call_soon_threadsafe(self._given.set)

    def close(self) -> None:
        with self._taken:
            self._is_closed = True
            self._waiting.clear()
            self._taken.notify_all()

    async def take(self) -> list[Any]:
        """Those that are there; none after the last one. Raises what ended them."""
        await self._given.wait()
        self._given.clear()
        with self._taken:
            self._is_told = False
            taken = list(self._waiting)
            self._waiting.clear()
            self._taken.notify_all()
            if not taken and self._error is not None:
                raise self._error
            if taken and self._has_ended:
                self._tell()
        return taken


@dataclass
class _Handlers:
    """Those of a service for the loop, from its own that block."""

    pool: ThreadPoolExecutor
    found: dict[str, dict[str, grpc.RpcMethodHandler]]

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """What generated code calls besides; it is the same ones."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        self.found[service] = {name: self._for_loop(handler) for name, handler in handlers.items()}

    def _for_loop(self, handler: Any) -> grpc.RpcMethodHandler:
        for kind in ("unary_unary", "unary_stream", "stream_stream"):
            if (behavior := getattr(handler, kind)) is not None:
                return handler._replace(**{kind: getattr(self, f"_{kind}")(behavior)})
        raise TypeError("a call with a stream of requests and one answer is not served")

    def _unary_unary(self, behavior: Callable[..., Any]) -> Callable[..., Any]:
        async def answer(request: Any, call: grpc.aio.ServicerContext) -> Any:
            loop = asyncio.get_running_loop()
            context = Context(call, loop)
            try:
                return await loop.run_in_executor(self.pool, behavior, request, context)
            except Aborted as aborted:
                await call.abort(aborted.code, aborted.details, context.trailing_metadata())
            finally:
                context.end()

        return answer

    def _unary_stream(self, behavior: Callable[..., Any]) -> Callable[..., Any]:
        async def answer(request: Any, call: grpc.aio.ServicerContext) -> None:
            context = Context(call, asyncio.get_running_loop())
            await self._stream(partial(behavior, request), call, context)

        return answer

    def _stream_stream(self, behavior: Callable[..., Any]) -> Callable[..., Any]:
        async def answer(_: Any, call: grpc.aio.ServicerContext) -> None:
            context = Context(call, asyncio.get_running_loop())
            await self._stream(partial(behavior, context.requests()), call, context)

        return answer

    async def _stream(
        self, behavior: Callable[[Context], Any], call: grpc.aio.ServicerContext, context: Context
    ) -> None:
        self.pool.submit(_answer, behavior, context)
        try:
            while taken := await context.answers.take():
                for message in taken:
                    await call.write(message)
        except Aborted as aborted:
            await call.abort(aborted.code, aborted.details, context.trailing_metadata())
        finally:
            context.end()


def _answer(behavior: Callable[[Context], Any], context: Context) -> None:
    try:
        with closing(behavior(context)) as messages:
            for message in messages:
                if not context.answers.put(message):
                    return
    except BaseException as error:  # noqa: BLE001 - whatever it is ends the call, in the loop
        context.answers.end(error)
    else:
        context.answers.end()


class Server:
    """As `grpc.server` is, whose loop has a thread of its own."""

    def __init__(self, threads: int, options: Sequence[tuple[str, Any]]) -> None:
        """`threads` is how many calls there are at the same time, at most: others are refused."""
        self._pool = ThreadPoolExecutor(threads, "rpc")
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="rpc loop", daemon=True).start()
        self.aio = self.do(_made(threads, options))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """In the loop, for a thread of another one."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def add(self, adds: Callable[[Any, Any], None], servicer: object) -> None:
        """`adds` is the function that was generated for the servicer, whose methods block."""
        handlers = _Handlers(self._pool, {})
        adds(servicer, handlers)
        for service, found in handlers.found.items():
            self.aio.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, found),))

    def start(self) -> None:
        self.do(self.aio.start())

    def stop(self, grace_s: float) -> None:
        """Calls go on until then, at most."""
        self.do(self.aio.stop(grace_s))


async def _made(threads: int, options: Sequence[tuple[str, Any]]) -> grpc.aio.Server:
    return grpc.aio.server(options=options, maximum_concurrent_rpcs=threads)
