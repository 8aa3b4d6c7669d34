"""skylark page: opens the page in the browser, and serves it where nothing else does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The server_config.json of the servers that a page of its own asks; where nothing serves one, "
        "$SKYLARK_SERVER_CONFIG, ./server_config.json or ~/.config/skylark/server_config.json.",
    ),
]


def page(
    open_it: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in the browser; or print its address alone.")
    ] = True,
    config_file: Config = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=1, max=65_535, help="Where it is served.", metavar="N", show_default="5010, or free"
        ),
    ] = None,
) -> None:
    """Open the page of the `skylark up` of this checkout; or serve one until Ctrl-C, for the servers of a
    server_config.json.
    """
    from servers.cli import serving_page

    if (url := serving_page.of_appliance(config_file, port)) is not None:
        serving_page.show(url, open_it=open_it)
    else:
        serving_page.serve(config_file, port, open_it=open_it)
