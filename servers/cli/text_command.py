"""A command that takes a text, which may begin with a dash: "-5°C"."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

OPTION = re.compile(r"--?[A-Za-z][\w-]*(=.*)?", re.DOTALL)
"""What can be meant for an option. None has a digit first, or a space in its name."""


class TextCommand(TyperCommand):
    """Takes for text what begins with a dash and cannot be an option; a misspelt option is still refused."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        before_dashes = args[: args.index("--")] if "--" in args else args
        known = {name for param in self.get_params(ctx) for name in (*param.opts, *param.secondary_opts)}
        ctx.ignore_unknown_options = not any(
            OPTION.fullmatch(arg) and arg.partition("=")[0] not in known for arg in before_dashes
        )
        return super().parse_args(ctx, args)
