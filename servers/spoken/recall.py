"""What an endpoint does with the cache: look before it submits, and keep what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Flask, current_app

from servers.cloned_voices import ClonedVoices
from servers.jobs.request import Requester
from servers.settings import Settings
from servers.speech import ModelSpec
from servers.spoken.cache import Entry, SpeechCache
from servers.spoken.identity import Models, speech_key

EXTENSION = "skylark.speech_cache"
HEADER = "X-Cache"
COMPLETE = "stop"
"""The finish_reason of speech that has an end: what was cut is not kept."""
MEGABYTE = 1_000_000


class Kept:
    """The cache of an app, and the names of what is in it."""

    def __init__(self, settings: Settings) -> None:
        self.cache = SpeechCache(
            settings.data_dir / "speech_cache" / "speech.sqlite3",
            most_entries=settings.tts.cache_size,
            most_bytes=int(settings.tts.cache_mb * MEGABYTE),
        )
        self.models = Models(settings)
        self._cloned_voices = ClonedVoices(settings.data_dir, settings.limits.max_cloned_voices)

    def key(
        self,
        model: ModelSpec,
        payload: Mapping[str, Any],
        form: Sequence[str | int | None],
        owner: str | None,
    ) -> str:
        """A cloned voice is its clip and the clip's words: one of the same name may be another tomorrow."""
        voice = self._cloned_voices.find(owner, payload.get("voice"))
        who = {} if voice is None else {"clip": voice.clip, "reference_text": voice.reference_text}
        return speech_key(owner, self.models.identity(model), {**payload, **who}, form)


def install(app: Flask, settings: Settings) -> None:
    """Where tts.enable_cache is set, the app then has one."""
    app.extensions[EXTENSION] = Kept(settings) if settings.tts.enable_cache else None


def statistics() -> dict[str, int] | None:
    """Of the current app's cache; None where it has none, or that cannot be read."""
    kept: Kept | None = current_app.extensions[EXTENSION]
    return None if kept is None else kept.cache.stats()


class Recall:
    """One request's place in the cache of the current app, where that has one.

    A request with an idempotency key is never answered from it: its own job is what it asks for again.
    """

    def __init__(
        self,
        model: ModelSpec,
        payload: Mapping[str, Any],
        form: Sequence[str | int | None],
        requester: Requester,
    ) -> None:
        kept: Kept | None = current_app.extensions[EXTENSION]
        self._cache = kept.cache if kept is not None else None
        self._looks = requester.idempotency_key is None
        self._key = ""
        if kept is not None:
            self._key = kept.key(model, payload, form, requester.owner)

    @property
    def most_bytes(self) -> int:
        """More audio than this is not worth holding: it is not kept."""
        return 0 if self._cache is None else self._cache.most_bytes

    def found(self) -> Entry | None:
        """What was kept, counted as a hit or a miss."""
        return None if self._cache is None or not self._looks else self._cache.get(self._key)

    def keep(self, audio: bytes, about: dict[str, Any]) -> None:
        """For the next one who asks, if it is complete: `about` has its finish_reason."""
        if self._cache is not None and about["finish_reason"] == COMPLETE:
            self._cache.put(self._key, audio, about)

    def headers(self, entry: Entry | None) -> dict[str, str]:
        """X-Cache: hit or miss; none where there is no cache."""
        return {} if self._cache is None else {HEADER: "miss" if entry is None else "hit"}
