"""Clients of POST /v1/audio/speech that leave, come back and go on, or do not."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.heard import Heard
from benchmarks.kill import END_S
from benchmarks.reading import Asking, Lost, Reply, Text, Wrong, leave
from servers.jobs.results import BYTES_PER_SAMPLE

PAUSE_S = 0.1
LONG_CHUNKS = 1500
"""What takes several seconds to make: a client that leaves it is gone before its end."""
ALL = float("inf")


class Listener:
    """One client, in each of the ways that it has."""

    def __init__(self, port: int, heard: Heard, dice: random.Random) -> None:
        self._port, self._heard, self._dice = port, heard, dice
        self.ways: tuple[Callable[[int], None], ...] = (
            self.listen,
            self.resume,
            self.resume_twice_at_once,
            self.never_come_back,
            self.abandon,
            self.abandon_unheard,
            self.ask_anew,
        )

    def listen(self, number: int) -> None:
        self._to_the_end(self._asking(number))

    def resume(self, number: int) -> None:
        """From where it was, as often as it takes."""
        asking, start = self._asking(number), 0
        for _ in range(self._dice.randint(1, 5)):
            start = self._some(asking, start)
            time.sleep(self._dice.choice((0, 0, self._dice.uniform(0, PAUSE_S))))
        self._to_the_end(asking, start)

    def resume_twice_at_once(self, number: int) -> None:
        """One from where it was, one from before or after that, maybe past the end."""
        asking = self._asking(number)
        start = self._some(asking, 0)
        past = len(asking.text.pcm(asking.format)) // BYTES_PER_SAMPLE + 10
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._to_the_end, (asking, asking), (start, self._dice.randint(0, past))))

    def never_come_back(self, number: int) -> None:
        """The job has a key, and goes on."""
        self._some(self._asking(number), 0)

    def abandon(self, number: int) -> None:
        """It has none, and is long: it has to be cancelled."""
        self._some(self._asking(number, LONG_CHUNKS), 0)
        self._heard.note_abandoned(number)

    def abandon_unheard(self, number: int) -> None:
        """The same before there is an answer."""
        try:
            sock = self._asking(number, LONG_CHUNKS).send_only()
        except Lost as error:
            self._heard.note_lost(str(error), f"number {number}")
            return
        time.sleep(self._dice.choice((0, self._dice.uniform(0, PAUSE_S))))
        leave(sock, self._dice)
        self._heard.note_abandoned(number)

    def ask_anew(self, number: int) -> None:
        """The same without a key, after a part was heard: it is there whole, also from the cache."""
        asking = self._asking(number, self._dice.randint(4, 40))
        self._some(asking, 0)
        for _ in range(2):
            self._to_the_end(asking)

    # what they share

    def _asking(self, number: int, unnamed: int | None = None) -> Asking:
        """Of so many chunks where it has no key."""
        dice = self._dice
        lengths = (dice.randint(1, 8), dice.randint(4, 40), 300)
        chunks = dice.choices(lengths, (3, 8, 1))[0] if unnamed is None else unnamed
        key = uuid.uuid4().hex if unnamed is None else None
        return Asking(self._port, Text(number, chunks), dice.choice(("wav", "pcm")), dice.random() < 0.5, key)

    def _some(self, asking: Asking, start: int) -> int:
        """Leaves after some bytes; returns the sample after those that were heard."""
        most = (0, 1, 43, 45, self._dice.randint(1, 20_000), self._dice.randint(1, 200_000))
        return self._take(asking, start, self._dice.choice(most))[0]

    def _to_the_end(self, asking: Asking, start: int = 0) -> None:
        deadline, has_ended = time.monotonic() + END_S, False
        while not has_ended and time.monotonic() < deadline:
            at, has_ended = self._take(asking, start, ALL)
            start = at if asking.key is not None else 0
        if not has_ended:
            self._heard.faults.append(f"{asking.text} did not end")

    def _take(self, asking: Asking, start: int, most: float) -> tuple[int, bool]:
        """Where it is after at most so many bytes, and whether that is the end."""
        came = bytearray()
        reply = self._reply(asking, start)
        if reply is None:
            return start, False
        try:
            for pcm in reply.samples(most):
                came += pcm
        except Lost as error:
            self._heard.note_lost(str(error), str(asking.text))
        except Wrong as error:
            self._heard.faults.append(f"{asking}: {error}")
        reply.leave(self._dice)
        self._heard.check(str(asking), asking.text.pcm(asking.format), start, bytes(came), reply.has_ended)
        return start + len(came) // BYTES_PER_SAMPLE, reply.has_ended

    def _reply(self, asking: Asking, start: int) -> Reply | None:
        """None where there is none just now."""
        try:
            reply = asking.reply(start)
        except (Lost, Wrong) as error:
            if isinstance(error, Wrong):
                self._heard.faults.append(f"{asking} from {start}: {error}")
            else:
                self._heard.note_lost(str(error), str(asking.text))
            time.sleep(PAUSE_S)
            return None
        if asking.key is not None:
            self._heard.note_job(asking.key, reply.job_id)
        return reply
