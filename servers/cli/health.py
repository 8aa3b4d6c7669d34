"""skylark health: one line for each server."""

from __future__ import annotations

from typing import Any

from servers.cli import config, options
from servers.cli.client import Servers
from servers.cli.failures import CommandFailed, Unreachable
from servers.cli.output import describe, print_json
from servers.errors import SkylarkError


def health(
    json: options.Json = False, config_file: options.Config = None, server: options.Server = None
) -> None:
    """Ask the servers how they are; the exit code is 1 when one is not ok."""
    client = config.load(config_file, server)
    with Servers(client) as servers:
        answers = {name: _ask(servers, url) for name, url in client.urls().items()}
    if json:
        print_json(answers)
    else:
        for name, answer in answers.items():
            print(f"{name:9} {_line(answer)}")
    bad = [name for name, answer in answers.items() if answer["status"] != "ok"]
    if bad:
        raise CommandFailed(f"not ok: {', '.join(bad)}")


def _ask(servers: Servers, url: str) -> dict[str, Any]:
    try:
        return {"url": url} | servers.get(f"{url}/health")
    except Unreachable as error:
        return {"url": url, "status": "unreachable", "error": {"message": str(error)}}
    except SkylarkError as error:
        return {"url": url, "status": "error", "error": error.to_dict() | {"message": describe(error)}}


def _line(answer: dict[str, Any]) -> str:
    head = f"{answer['status']:12} {answer['url']}"
    if "error" in answer:
        return f"{head}  {answer['error']['message']}"
    loaded = "loaded" if answer.get("model_loaded") else "not loaded yet"
    return (
        f"{head}  {answer.get('model')} {loaded} on {answer.get('device')}, "
        f"{answer.get('queue_depth')} queued, up {answer.get('uptime_s', 0):.0f} s"
    )
