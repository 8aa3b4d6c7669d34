"""Stands in for Requests where no engine is needed: each sentence is so many samples of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from servers.errors import SkylarkError
from servers.jobs.request import BegunAgain, Requester
from servers.settings import Limits
from servers.speech import Chunk, ModelSpec

RATE_HZ = 24_000
SAMPLES = 4_800
"""0.2 s, ten frames."""


def half(text: str) -> Chunk:
    return Chunk(np.full(SAMPLES // 2, sum(text.encode()) % 20_000, np.int16), RATE_HZ)


class SpokenRequest:
    """A job's audio, in two chunks, and its result; `made` may say otherwise."""

    def __init__(self, text: str, requester: Requester, made: list[Any] | None) -> None:
        self.text, self.requester = text, requester
        self.is_cancelled = self.is_closed = False
        self._made = [half(text), half(text), {"words": []}] if made is None else made

    def __enter__(self) -> SpokenRequest:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True

    def attempts(self) -> Iterator[tuple[int, Chunk | BegunAgain | dict | SkylarkError]]:
        for each in self._made:
            yield 0, each

    def cancel(self) -> None:
        self.is_cancelled = True


class SpokenRequests:
    """`fails` is asked for each text what is raised at its submission; `makes` what its job makes instead."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.submitted: list[SpokenRequest] = []
        self.fails: Callable[[str], SkylarkError | None] = lambda _: None
        self.makes: Callable[[str], list[Any] | None] = lambda _: None

    def submit(self, _options, items, requester, *, timeout_s=None) -> SpokenRequest:
        text = items[0].payload["text"]
        if (error := self.fails(text)) is not None:
            raise error
        request = SpokenRequest(text, requester, self.makes(text))
        self.submitted.append(request)
        return request

    def texts(self) -> list[str]:
        return [request.text for request in self.submitted]

    def open(self) -> list[SpokenRequest]:
        return [request for request in self.submitted if not request.is_closed]

    def model(self, name, _payload=None, _owner=None) -> ModelSpec:
        return ModelSpec(backend="fake", name=name or "fake")

    def check_voice(self, _model, _voice, _owner) -> None:
        """Any is there."""
