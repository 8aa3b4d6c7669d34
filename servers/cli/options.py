"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The server_config.json to use; otherwise $SKYLARK_SERVER_CONFIG, ./server_config.json, "
        "~/.config/skylark/server_config.json, or localhost:5000 and :5001.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
Language = Annotated[str | None, typer.Option(help="A language tag: en, en-US, de …")]
Socket = Annotated[
    Path | None,
    typer.Option(
        "--socket", metavar="PATH", help="The engine's Unix socket.", show_default="engine.sock in data_dir"
    ),
]
