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
        "~/.config/skylark/server_config.json, the `skylark up` of this checkout, or localhost:5000, :5001.",
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Where the servers are, in place of --config: the tts server's address, with whisperx at the "
        "next port, as `skylark up` has it; or a load balancer's without a port, with /tts and /whisperx.",
    ),
]
StartGpu = Annotated[
    bool,
    typer.Option("--start-gpu", help="Start the machine first where it is off, and wait until it is ready."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
Language = Annotated[str | None, typer.Option(help="A language tag: en, en-US, de …")]
Socket = Annotated[
    Path | None,
    typer.Option(
        "--socket",
        metavar="PATH",
        help="The engine's Unix socket; otherwise the one of the `skylark up` of this checkout.",
        show_default="engine.sock in data_dir",
    ),
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="As `skylark jobs` lists them.")]
