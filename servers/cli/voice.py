"""skylark voice: what a voice of one's own is made of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servers.cli import config, options
from servers.cli.client import Servers
from servers.cli.failures import CommandFailed
from servers.cli.output import EXIT_CODES, Group, print_json, print_table

if TYPE_CHECKING:  # a command's help does not wait for it
    from servers.datasets.report import Report

app = typer.Typer(
    cls=Group, epilog=EXIT_CODES, help="Voices of one's own: data sets of recordings.", no_args_is_help=True
)


RECORDINGS = typer.Argument(exists=True, readable=True, help="Of one speaker; of a folder, all audio in it.")


@app.command(epilog=EXIT_CODES)
def new(
    name: Annotated[str, typer.Argument(help="What the voice is to be called.")],
    recordings: Annotated[list[Path], RECORDINGS],
    out: Annotated[
        Path | None, typer.Option(help="The folder to write.", show_default="NAME", file_okay=False)
    ] = None,
    language: options.Language = None,
    json: options.Json = False,
    config_file: options.Config = None,
    server: options.Server = None,
    start_gpu: options.StartGpu = False,
) -> None:
    """Make a data set of recordings: cut in pauses, transcribed, equally loud; a folder and its zip."""
    from servers.cli.new_voice import make
    from servers.datasets.speaker import check_speaker

    client = config.load(config_file, server)
    folder = out or Path(check_speaker(name, "NAME"))
    if start_gpu:
        from servers.cli.start_gpu import ensure_ready

        ensure_ready(client, "skylark voice new", ["whisperx"])
    with Servers(client) as servers:
        report = make(servers, recordings, folder, language)
    _show(report, json=json)


@app.command(epilog=EXIT_CODES)
def check(
    dataset: Annotated[
        Path, typer.Argument(metavar="ZIP|FOLDER", help="With train.jsonl and its recordings.", exists=True)
    ],
    align: Annotated[
        bool, typer.Option("--align", help="Also whether each recording says its text: a server listens.")
    ] = False,
    language: options.Language = None,
    json: options.Json = False,
    config_file: options.Config = None,
    server: options.Server = None,
) -> None:
    """Look through a data set for fine-tuning, line by line; the exit code is 1 where a line is left out."""
    from servers.datasets.dataset import check_any

    if not align:
        _show(check_any(dataset), json=json)
        return
    with Servers(config.load(config_file, server)) as servers:
        report = check_any(
            dataset, lambda audio, text: servers.align(audio, text, language=language)["words"]
        )
    _show(report, json=json)


def _show(report: Report, *, json: bool) -> None:
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        if report.findings:
            rows = [
                (str(found.line), found.code, "left out" if found.leaves_out else "kept", found.message)
                for found in report.findings
            ]
            print_table(("line", "what", "it is", "why"), rows)
            print()
        print(f"{report.kept} of {report.lines} lines can be trained with: {report.kept_s:.1f} s of speech")
    report.check_usable()
    if report.kept < report.lines:
        left_out = Counter(found.code for found in report.findings if found.leaves_out)
        raise CommandFailed(f"left out: {', '.join(f'{count} {code}' for code, count in left_out.items())}")
