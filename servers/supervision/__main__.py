"""`python -m servers.supervision`: everything, by hand or in an image. It writes supervisord's configuration
into the data_dir and becomes supervisord, which takes the arguments.
"""

from __future__ import annotations

import os
import sys

from servers.settings import ROOT, SettingsError, settings
from servers.supervision.configuration import environment, prepare
from servers.supervision.processes import wanted

if __name__ == "__main__":
    try:
        loaded = settings()
    except SettingsError as error:
        raise SystemExit(f"skylark: {error}") from None
    data_dir = loaded.data_dir
    command = [*prepare(data_dir, wanted(loaded)), *sys.argv[1:]]
    os.chdir(ROOT)
    os.execve(sys.executable, command, os.environ | environment(data_dir))
