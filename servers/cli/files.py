"""Reading what the user names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from servers.cli.failures import WrongUsage

LOOKS_LIKE_A_FILE = (".txt", ".md")


def text_of(argument: str) -> str:
    """What `argument` stands for: - is standard input, an existing file its content, else the text itself.

    Raises WrongUsage for a file that is missing, or is not text.
    """
    if argument == "-":
        return sys.stdin.read()
    if os.path.isfile(argument):  # not Path.is_file, which raises on a text that is too long for a name
        return _read(Path(argument))
    if argument.endswith(LOOKS_LIKE_A_FILE) and not any(char.isspace() for char in argument):
        raise WrongUsage(f"there is no file {argument}")
    return argument


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUsage(f"{path} is not text in UTF-8") from None
