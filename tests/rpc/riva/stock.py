"""nvidia-riva-client as it comes from the registry, run in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CLIENT = Path(__file__).with_name("stock_client.py")


def stock(*arguments: str) -> dict[str, Any]:
    """What stock_client.py prints. Skips the test where the package is not installed."""
    if find_spec("riva") is None:
        pytest.skip("needs the package nvidia-riva-client")
    command = [sys.executable, "-W", "ignore", str(CLIENT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
