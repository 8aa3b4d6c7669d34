"""skylark say: a text into one file, or a whole file paragraph by paragraph into a folder."""

from __future__ import annotations

import base64
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servers.atomic import write_atomically
from servers.cli import config, options
from servers.cli.client import Servers
from servers.cli.failures import CommandFailed, WrongUsage
from servers.cli.files import text_of
from servers.cli.output import advance, complain, note_ignored, print_json, progress
from servers.errors import SkylarkError

if TYPE_CHECKING:
    from servers.cli.book import Book, Outcome
    from servers.cli.spoken_files import SpeechOptions


class Format(StrEnum):
    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    OPUS = "opus"
    AAC = "aac"


FORMATS_BY_ENDING = {f".{format.value}": format for format in Format} | {".ogg": Format.OPUS}
STANDARD_OUTPUT = Path("-")


def say(
    text: Annotated[
        str, typer.Argument(metavar="TEXT|FILE|-", help="What to speak; - reads standard input.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write; - is standard output.", show_default="speech.wav", dir_okay=False
        ),
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            help="Speak paragraph by paragraph into this folder: 0001.wav … and manifest.json. Run again, it "
            "speaks only what is missing or has changed.",
            file_okay=False,
        ),
    ] = None,
    voice: Annotated[str | None, typer.Option(help="The server's default voice otherwise.")] = None,
    language: options.Language = None,
    instruct: Annotated[str | None, typer.Option(help="The style in words, for models that take it.")] = None,
    model: Annotated[str | None, typer.Option(help="A model of the server's default backend.")] = None,
    format: Annotated[
        Format | None, typer.Option(help="Otherwise as --out ends, or wav.", show_default=False)
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Give the model several texts at once.")] = False,
    json: options.Json = False,
    config_file: options.Config = None,
    server: options.Server = None,
    start_gpu: options.StartGpu = False,
) -> None:
    """Speak a text."""
    from servers.cli.spoken_files import SpeechOptions

    if out and out_dir:
        raise WrongUsage("give --out or --out-dir, not both")
    if json and out == STANDARD_OUTPUT:
        raise WrongUsage("standard output takes the audio or the JSON, not both")
    speech = SpeechOptions(
        voice=voice, language=language, instruct=instruct, model=model, format=_format(format, out)
    )
    content = text_of(text)
    client = config.load(config_file, server)
    if start_gpu:
        from servers.cli.start_gpu import ensure_ready

        ensure_ready(client, "skylark say", ["tts"])
    with Servers(client) as servers:
        if out_dir:
            _say_book(servers, content, out_dir, speech, batch=batch, json=json)
        else:
            _say_one(servers, content, out or Path(f"speech.{speech.format}"), speech, json=json)


def _format(chosen: Format | None, out: Path | None) -> str:
    """The file's ending decides; --format names it where the ending does not. Raises WrongUsage."""
    if out is None or out == STANDARD_OUTPUT:
        return chosen or Format.WAV
    ending = FORMATS_BY_ENDING.get(out.suffix.lower())
    if chosen is not None and ending in (None, chosen):
        return chosen
    if chosen is not None:
        raise WrongUsage(f"{out} cannot hold {chosen.value}: its name is one of a file with {ending}")
    if ending is None:
        endings = ", ".join(FORMATS_BY_ENDING)
        raise WrongUsage(f"{out} does not say what to write: let it end in {endings}, or give --format")
    return ending


def _say_one(servers: Servers, text: str, out: Path, speech: SpeechOptions, *, json: bool) -> None:
    result = servers.speak([text], **speech.model_dump())["results"][0]
    if "error" in result:
        raise SkylarkError.from_dict(result["error"])
    note_ignored(result.get("ignored", ()))
    audio = base64.b64decode(result["audio"])
    if out == STANDARD_OUTPUT:
        sys.stdout.buffer.write(audio)
        return
    write_atomically(out, audio)
    if json:
        print_json({"file": str(out)} | {name: value for name, value in result.items() if name != "audio"})
    else:
        print(f"{out}  {result['duration_s']:.2f} s")


def _say_book(
    servers: Servers, text: str, folder: Path, speech: SpeechOptions, *, batch: bool, json: bool
) -> None:
    from servers.cli.book import Book
    from servers.text.sentences import paragraphs

    texts = [paragraph for paragraph in paragraphs(text) if any(map(str.isalnum, paragraph))]  # no "* * *"
    if not texts:
        raise WrongUsage("there is no text to speak")
    book = Book(texts, folder, speech)
    outcomes = _speak_missing(servers, book, batch=batch)
    note_ignored(book.ignored)
    for name in book.left_over():
        complain(f"{folder / name} is left from an earlier text")
    _report(folder, outcomes, json=json)


def _speak_missing(servers: Servers, book: Book, *, batch: bool) -> list[Outcome]:
    """All paragraphs' outcomes in order; an interruption says how far it came."""
    outcomes = book.reuse()
    reused = {outcome.paragraph for outcome in outcomes}
    missing = [paragraph for paragraph in book.paragraphs if paragraph not in reused]
    try:
        with progress(len(book.paragraphs), "speaking") as bar:
            advance(bar, len(reused))
            for outcome in book.speak(servers, missing, batch=batch):
                outcomes.append(outcome)
                if outcome.error:
                    complain(f"{outcome.paragraph.file}: {outcome.error.message}")
                advance(bar)
    except BaseException:
        complain(
            f"{len(outcomes)} of {len(book.paragraphs)} paragraphs done; "
            "the same command again goes on from here"
        )
        raise
    return sorted(outcomes, key=lambda outcome: outcome.paragraph.file)


def _report(folder: Path, outcomes: list[Outcome], *, json: bool) -> None:
    failed = sum(outcome.error is not None for outcome in outcomes)
    reused = sum(outcome.reused for outcome in outcomes)
    if json:
        summary: dict[str, Any] = {"out_dir": str(folder), "results": [o.to_dict() for o in outcomes]}
        print_json(summary)
    else:
        spoken_s = sum(outcome.duration_s for outcome in outcomes)
        print(
            f"{folder}: {len(outcomes) - failed} of {len(outcomes)} paragraphs, {spoken_s:.1f} s of speech"
            + (f" ({reused} were there already)" if reused else "")
        )
    if failed:
        raise CommandFailed(f"{failed} of {len(outcomes)} paragraphs failed")
