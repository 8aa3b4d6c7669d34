"""`python -m servers.supervision`: everything, by hand or in an image. It writes supervisord's configuration
into the data_dir and becomes supervisord, which takes the arguments.
"""

from __future__ import annotations

import os
import sys

from servers.settings import ROOT, SettingsError, settings
from servers.supervision.configuration import environment, prepare

if __name__ == "__main__":
    try:
        data_dir = settings().data_dir
    except SettingsError as error:
        raise SystemExit(f"skylark: {error}") from None
    command = [*prepare(data_dir), *sys.argv[1:]]
    os.chdir(ROOT)
    os.execve(sys.executable, command, os.environ | environment(data_dir))
