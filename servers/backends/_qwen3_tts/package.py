"""The package qwen_tts, imported when a model is loaded: it takes seconds, and brings torch with it."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stdout
from typing import Any

from servers.errors import MissingExtra


def imported() -> Any:
    """Upstream's Qwen3TTSModel. Raises MissingExtra where it is not installed.

    What it prints and logs about programs that nobody needs here is left out.
    """
    logging.getLogger("sox").disabled = True
    try:
        with redirect_stdout(io.StringIO()):
            from qwen_tts import Qwen3TTSModel
    except ImportError as error:
        message = f"qwen_tts cannot be imported ({error}): pip install 'skylark[qwen]'"
        raise MissingExtra(message) from error
    return Qwen3TTSModel
