"""What every child process of a server does first."""

from __future__ import annotations

import ctypes
import logging.config
import signal
import sys

from servers import logs

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


def begin() -> None:
    """Logs as the servers do, and sees to it that this process ends with the server."""
    logging.config.dictConfig(logs.config("INFO"))
    end_with_parent()


def end_with_parent() -> None:
    """This process is killed when the one that started it has ended, in whatever way.

    Linux alone can promise that of a process that is stopped, or that computes without a pause; elsewhere it
    has to notice by itself: a runner that its socket is closed, a worker that its parent is another one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
