"""`python -m servers.runner FD`: the process of one model, told what to do over the socket FD."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

from servers import child
from servers.runner.outbox import Outbox
from servers.runner.wire import BEAT_S, Wire
from servers.runner.work import Work


def main(fd: int) -> None:
    child.begin()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's to handle
    wire = Wire(socket.socket(fileno=fd))
    work = Work(Outbox(wire))
    threading.Thread(target=_beat, args=(wire,), name="beat", daemon=True).start()
    threading.Thread(target=_listen, args=(wire, work), name="listen", daemon=True).start()
    work.go_on()


def _listen(wire: Wire, work: Work) -> None:
    while (frame := wire.receive()) is not None:
        work.take(frame[0])
    os._exit(0)  # the engine let go of this runner or died: whatever the model does now is in vain


def _beat(wire: Wire) -> None:
    never = threading.Event()
    while not never.wait(BEAT_S):
        try:
            wire.send({"op": "beat"})
        except OSError:
            return  # the engine is gone, and `_listen` ends the process


if __name__ == "__main__":
    main(int(sys.argv[1]))
