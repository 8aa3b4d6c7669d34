"""What every child process of a server does first."""

from __future__ import annotations

import ctypes
import logging.config
import signal
import sys

from servers import logs

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


def begin() -> None:
    """Logs as the servers do, and sees to it that this process ends with the server.

    Linux alone can promise that of a process that is stopped, or that computes without a pause; elsewhere it
    has to notice itself that its socket is closed.
    """
    logging.config.dictConfig(logs.config("INFO"))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
