"""skylark voice: what a voice of one's own is made of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from servers.cli import options
from servers.cli.failures import CommandFailed
from servers.cli.output import EXIT_CODES, Group, print_json, print_table

app = typer.Typer(
    cls=Group, epilog=EXIT_CODES, help="Voices of one's own: check a data set.", no_args_is_help=True
)


@app.callback()
def voice() -> None:
    """Voices of one's own: check a data set."""


@app.command(epilog=EXIT_CODES)
def check(
    dataset: Annotated[
        Path, typer.Argument(metavar="ZIP|FOLDER", help="With train.jsonl and its recordings.", exists=True)
    ],
    json: options.Json = False,
) -> None:
    """Look through a data set for fine-tuning, line by line; the exit code is 1 where a line is left out."""
    from servers.datasets.dataset import check_any

    report = check_any(dataset)
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
    if report.kept < report.lines:
        left_out = Counter(found.code for found in report.findings if found.leaves_out)
        raise CommandFailed(f"left out: {', '.join(f'{count} {code}' for code, count in left_out.items())}")
