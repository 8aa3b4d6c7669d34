"""Libraries that come with an extra of this package, and what is said where one is not installed."""

from __future__ import annotations

from importlib.util import find_spec

from servers.errors import MissingExtra


def require(extra: str, *modules: str) -> None:
    """Raises MissingExtra unless all the modules are there; imports none of them."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        names = ", ".join(missing)
        raise MissingExtra(
            f"the extra {extra!r} is not installed on the server ({names}): {how_to_install(extra)}"
        )


def how_to_install(extra: str) -> str:
    """For people: the command that works wherever the source was put, and asks no index for this package."""
    return f"in its folder run .venv/bin/uv pip install -e '.[{extra}]'"
