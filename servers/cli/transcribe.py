"""skylark transcribe and align: what was said in recordings, and when."""

from __future__ import annotations

import json as jsonlib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from servers.atomic import write_atomically
from servers.cli import config, options
from servers.cli.client import Seen, Servers
from servers.cli.failures import CommandFailed, WrongUsage
from servers.cli.files import text_of
from servers.cli.output import complain, describe, listening, note_ignored, print_json, print_words
from servers.cli.subtitle_files import Srt, SubtitleFiles, Vtt
from servers.errors import SkylarkError

RECORDING = typer.Argument(exists=True, dir_okay=False, readable=True, help="Audio that libsndfile reads.")


def transcribe(
    files: Annotated[list[Path], RECORDING],
    out_dir: Annotated[
        Path | None,
        typer.Option(
            help="Write each transcript into this folder, as NAME.txt, or as NAME.json with --json.",
            file_okay=False,
        ),
    ] = None,
    srt: Srt = None,
    vtt: Vtt = None,
    language: options.Language = None,
    json: options.Json = False,
    config_file: options.Config = None,
    server: options.Server = None,
    start_gpu: options.StartGpu = False,
) -> None:
    """Write down what is said in recordings."""
    subtitles = SubtitleFiles(srt, vtt)
    subtitles.check(recordings=len(files), json=json)
    targets = _targets(files, out_dir, ".json" if json else ".txt")
    results = []
    client = config.load(config_file, server)
    if start_gpu:
        from servers.cli.start_gpu import ensure_ready

        ensure_ready(client, "skylark transcribe", ["whisperx"])
    with Servers(client) as servers, listening(len(files), "listening") as show:
        for done, file in enumerate(files):
            result = _transcribe_one(servers, file, language, partial(show, done))
            results.append({"file": str(file)} | result)
            if "error" not in result:
                subtitles.write(result)
                if file in targets:
                    write_atomically(targets[file], _content(result, json=json))
            show(done + 1, None)
    _report(results, written=bool(targets or subtitles), json=json)


def _targets(files: list[Path], out_dir: Path | None, ending: str) -> dict[Path, Path]:
    """Where each transcript goes; no two may go to one place."""
    if out_dir is None:
        return {}
    targets = {file: out_dir / f"{file.stem}{ending}" for file in files}
    twice = [str(target) for target, count in Counter(targets.values()).items() if count > 1]
    if twice:
        raise WrongUsage(f"two of the recordings would be written to {twice[0]}")
    out_dir.mkdir(parents=True, exist_ok=True)
    return targets


def _transcribe_one(servers: Servers, file: Path, language: str | None, seen: Seen) -> dict[str, Any]:
    """The transcript, or {"error"}: the other recordings are still listened to."""
    try:
        result = servers.transcribe(file, language=language, seen=seen)
    except SkylarkError as error:
        complain(f"{file}: {describe(error)}")
        return {"error": error.to_dict()}
    note_ignored(result.get("ignored", ()))
    return result


def _content(result: dict[str, Any], *, json: bool) -> bytes:
    text = jsonlib.dumps(result, ensure_ascii=False, indent=2) if json else result["text"]
    return f"{text}\n".encode()


def _report(results: list[dict[str, Any]], *, written: bool, json: bool) -> None:
    failed = sum("error" in result for result in results)
    if json:
        print_json({"results": results})
    elif not written:
        for result in results:
            if "error" not in result:
                print(f"{result['file']}: {result['text']}" if len(results) > 1 else result["text"])
    if failed:
        raise CommandFailed(f"{failed} of {len(results)} recordings failed")


def align(
    audio: Annotated[Path, RECORDING],
    text: Annotated[str, typer.Argument(metavar="TEXT|FILE|-", help="What is read in the recording.")],
    srt: Srt = None,
    vtt: Vtt = None,
    language: options.Language = None,
    json: options.Json = False,
    config_file: options.Config = None,
    server: options.Server = None,
    start_gpu: options.StartGpu = False,
) -> None:
    """Find when each word of a text is said in a recording."""
    subtitles = SubtitleFiles(srt, vtt)
    subtitles.check(json=json)
    content = text_of(text)
    client = config.load(config_file, server)
    if start_gpu:
        from servers.cli.start_gpu import ensure_ready

        ensure_ready(client, "skylark align", ["whisperx"])
    with Servers(client) as servers, listening(1, "aligning") as show:
        aligned = servers.align(audio, content, language=language, seen=partial(show, 0))
        show(1, None)
    note_ignored(aligned.get("ignored", ()))
    if aligned.get("warning"):  # a server of an older version has none
        complain(f"warning: {aligned['warning']}")
    subtitles.write(aligned)
    if json:
        print_json(aligned)
    elif not subtitles:
        print_words(aligned["words"])
