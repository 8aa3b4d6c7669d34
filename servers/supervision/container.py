"""`python -m servers.supervision.container`: everything, as the first process of a container."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    # The system drops what process 1 has no handler for; supervisord's own comes only once all is imported.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from servers.supervision.in_process import run

    sys.exit(run())
