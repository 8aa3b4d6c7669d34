"""skylark rpc: the streaming worker from a terminal."""

from __future__ import annotations

import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from servers.cli import config, here
from servers.cli.failures import CommandFailed, Unreachable
from servers.cli.output import EXIT_CODES, Group
from servers.cli.text_command import TextCommand
from servers.extras import require

app = typer.Typer(
    cls=Group, epilog=EXIT_CODES, help="Stream text in and audio out, over gRPC.", no_args_is_help=True
)
STANDARD_INPUT = "-"


@app.command(cls=TextCommand, epilog=EXIT_CODES)
def say(
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|-", help="What to speak; - reads standard input, and speaks as it comes."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The file to write.", dir_okay=False)] = Path("speech.wav"),
    voice: Annotated[str, typer.Option(help="The worker's default voice otherwise.")] = "",
    language: Annotated[str, typer.Option(help="As en, or en-US.")] = "",
    model: Annotated[str, typer.Option(help="The worker's default model otherwise.")] = "",
    server: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="The worker.", show_default="the one of this checkout's settings"
        ),
    ] = None,
) -> None:
    """Speak a text into a file, frame by frame as it is made, and print its words when they are said."""
    require("rpc", "grpc")
    import grpc

    key = config.known_key()
    address = server or _own_address()
    try:
        with grpc.insecure_channel(address) as channel:
            start = wire().StartSessionRequest(voice=voice, language=language, model=model)
            _speak(channel, start, text, out, [("x-api-key", key)] if key else [])
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            hint = "start scripts/up, or say with --server where it is"
            raise Unreachable(f"{address}: {error.details()}: {hint}") from None
        raise CommandFailed(f"{error.code().name}: {error.details()}") from None
    print(f"{_seconds(out):.1f} s of speech in {out}")


def wire() -> ModuleType:
    """The messages, imported by the command that sends them."""
    from servers.rpc import skylark_pb2

    return skylark_pb2


def _speak(channel: Any, start: Any, text: str, out: Path, metadata: list[tuple[str, str]]) -> None:
    from servers.rpc.skylark_pb2_grpc import TTSStub

    stub = TTSStub(channel)  # type: ignore[no-untyped-call]
    session = stub.StartSession(start, metadata=metadata)
    try:
        with wave.open(str(out), "wb") as audio:
            audio.setparams((1, 2, session.sample_rate, 0, "NONE", ""))
            _hear(stub.Synthesize(_said(session.session_id, text), metadata=metadata), audio)
    finally:
        stub.EndSession(wire().EndSessionRequest(session_id=session.session_id), metadata=metadata)


def _own_address() -> str:
    appliance = here.running_here()
    if appliance is not None and appliance.rpc is not None:
        return appliance.rpc
    from servers.settings import settings
    from servers.supervision.processes import RPC
    from servers.web.serve import tcp_address

    return tcp_address(*RPC.reached_at(settings()))


def _said(session_id: str, text: str) -> Iterator[Any]:
    yield wire().SynthesizeRequest(opening=wire().Opening(session_id=session_id, ahead_ms=0))
    for piece in sys.stdin if text == STANDARD_INPUT else (text,):
        yield wire().SynthesizeRequest(text=wire().Text(text=piece))


def _hear(responses: Iterator[Any], audio: wave.Wave_write) -> None:
    for response in responses:
        if not response.HasField("frame"):
            continue
        samples = response.frame.audio
        audio.writeframes(samples[: len(samples) - 2 * response.frame.padding])
        for word in response.frame.words:
            print(f"{word.start_ms / 1000:8.2f} {word.end_ms / 1000:8.2f}  {word.word}", flush=True)


def _seconds(path: Path) -> float:
    with wave.open(str(path)) as audio:
        return float(audio.getnframes() / audio.getframerate())
