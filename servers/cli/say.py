"""skylark say: a text into one file, or a whole file paragraph by paragraph into a folder."""

from __future__ import annotations

import base64
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from servers.atomic import write_atomically
from servers.cli import config, options
from servers.cli.book import Book, Outcome
from servers.cli.client import Servers
from servers.cli.files import text_of
from servers.cli.output import CommandFailed, WrongUsage, advance, complain, print_json, progress
from servers.cli.spoken_files import SpeechOptions
from servers.errors import SkylarkError
from servers.text.sentences import paragraphs


class Format(StrEnum):
    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    OPUS = "opus"


def say(
    text: Annotated[
        str, typer.Argument(metavar="TEXT|FILE|-", help="What to speak; - reads standard input.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="speech.wav", dir_okay=False)
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
) -> None:
    """Speak a text."""
    if out and out_dir:
        raise WrongUsage("give --out or --out-dir, not both")
    speech = SpeechOptions(
        voice=voice, language=language, instruct=instruct, model=model, format=_format(format, out)
    )
    content = text_of(text)
    with Servers(config.load(config_file)) as servers:
        if out_dir:
            _say_book(servers, content, out_dir, speech, batch=batch, json=json)
        else:
            _say_one(servers, content, out or Path(f"speech.{speech.format}"), speech, json=json)


def _format(chosen: Format | None, out: Path | None) -> str:
    ending = out.suffix.lstrip(".").lower() if out else ""
    return chosen or (Format(ending) if ending in list(Format) else Format.WAV)


def _say_one(servers: Servers, text: str, out: Path, speech: SpeechOptions, *, json: bool) -> None:
    result = servers.speak([text], **speech.model_dump())["results"][0]
    if "error" in result:
        raise SkylarkError.from_dict(result["error"])
    write_atomically(out, base64.b64decode(result["audio"]))
    if json:
        print_json({"file": str(out)} | {name: value for name, value in result.items() if name != "audio"})
    else:
        print(f"{out}  {result['duration_s']:.2f} s")


def _say_book(
    servers: Servers, text: str, folder: Path, speech: SpeechOptions, *, batch: bool, json: bool
) -> None:
    texts = [paragraph for paragraph in paragraphs(text) if any(map(str.isalnum, paragraph))]  # no "* * *"
    if not texts:
        raise WrongUsage("there is no text to speak")
    book = Book(texts, folder, speech)
    outcomes = _speak_missing(servers, book, batch=batch)
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
