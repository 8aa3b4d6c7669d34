"""Whether the new place speaks: `skylark smoke` through the load balancer, a header naming the place."""

from __future__ import annotations

import subprocess
import sys

from release.image import ROOT

PLACE_HEADER = "X-Skylark-Place"
LONGEST_S = 600.0


def smoke(url: str, place: str, python: str = sys.executable) -> str:
    """Why it does not, empty where it does. The key is TTS_API_KEY; what it finds is printed."""
    command = [python, "-m", "servers.cli", "smoke", "--server", url, "--header", f"{PLACE_HEADER}: {place}"]
    try:
        done = subprocess.run(command, cwd=ROOT, check=False, timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        return f"its smoke test has not ended after {LONGEST_S:.0f} s"
    return f"its smoke test has failed: skylark smoke ended with {done.returncode}" if done.returncode else ""
