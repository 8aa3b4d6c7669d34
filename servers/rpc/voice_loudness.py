"""How loud each voice speaks: measured once, and kept in its pack, or in `data_dir`/loudness."""

from __future__ import annotations

import json
import logging
import threading
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np

from servers import voicepacks
from servers.atomic import write_atomically
from servers.audio.loudness import limited_lufs
from servers.backends.base import About
from servers.errors import SkylarkError
from servers.jobs.request import Item, Requester
from servers.jobs.requests import QueueOptions, Requests
from servers.speech import ModelSpec

log = logging.getLogger(__name__)
FILE = "loudness.json"
USUAL_LUFS = -16.0
"""What most want: the limiter takes as much from the voice as it does there."""
TEXT = (
    "This is how loud the voice is. It speaks for a few seconds, as it would in a talk, about nothing in "
    "particular: the weather, the time of day, and who comes to supper."
)


class VoiceLoudness:
    """Any thread may use it. A voice that was made anew is measured anew."""

    def __init__(self, requests: Requests, data_dir: Path, voicepacks_dir: Path) -> None:
        self._requests, self._folder, self._packs = requests, data_dir / "loudness", voicepacks_dir
        self._lock = threading.Lock()
        self._locks: dict[Path, threading.Lock] = {}

    def lufs(
        self, model: ModelSpec, voice: str | None, language: str | None, requester: Requester
    ) -> float | None:
        """Integrated, over a few sentences, less what a limiter takes; None for a voice of which nothing is
        heard. Speaks them where the voice was never measured, and raises as a request does that speaks.
        """
        cloned = self._requests.cloned_voices.find(requester.owner, voice)
        known = self._requests.description(model)
        name = voice or (known.about.default_voice if known is not None else None) or ""
        whose = "" if cloned is None else f"{requester.owner}/{cloned.clip}"
        if known is not None and (cloned is not None or not _decides(language, voice, name, known.about)):
            language = None
        path = self._path(model, name, whose, language)
        with self._measuring(path):
            with suppress(OSError, ValueError, KeyError, TypeError):
                kept = json.loads(path.read_bytes())["lufs"]
                return None if kept is None else float(kept)
            found = self._measure(model, voice, language, requester)
            asked = {"model": "/".join(model.key), "voice": name, "language": language}
            about: dict[str, object] = {**asked, "lufs": found}
            self._keep(path, about)
            return found

    def _measuring(self, path: Path) -> threading.Lock:
        """Whoever starts with a voice while another one has it spoken waits for that."""
        with self._lock:
            return self._locks.setdefault(path, threading.Lock())

    def _path(self, model: ModelSpec, voice: str, whose: str, language: str | None) -> Path:
        pack = self._packs / model.backend / voice
        if voice and not whose and language is None and (pack / voicepacks.METADATA).is_file():
            return pack / FILE
        named = json.dumps([*model.key, voice, whose, language])
        return self._folder / f"{sha256(named.encode()).hexdigest()[:32]}.json"

    def _measure(
        self, model: ModelSpec, voice: str | None, language: str | None, requester: Requester
    ) -> float | None:
        chooses = {"voice": voice, "language": language}
        payload = {"task": "synthesize", "text": TEXT}
        payload |= {name: value for name, value in chooses.items() if value is not None}
        options = QueueOptions(model="/".join(model.key))
        with self._requests.submit(options, [Item(payload)], requester, live=False) as request:
            for outcome in request.outcomes():
                if isinstance(outcome, SkylarkError):
                    raise outcome
                samples = np.frombuffer(outcome.pcm.read(), "<i2").astype(np.int16)
                return limited_lufs(samples, outcome.result["sample_rate"], USUAL_LUFS)
        return None

    def _keep(self, path: Path, what: dict[str, object]) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, json.dumps(what).encode())
        except OSError as error:
            fields = {"action": "keep_loudness", "error": error.strerror}
            log.warning(
                "how loud a voice is cannot be kept, and is measured again at each start", extra=fields
            )


def _decides(language: str | None, voice: str | None, name: str, about: About) -> bool:
    """Whether who speaks depends on the language: not where the voice has its own, nor where the default one
    speaks it.
    """
    own = [each for speaker in about.voices if speaker.name == name for each in speaker.languages]
    if language is None or (voice is not None and own):
        return False
    return language.casefold() not in map(str.casefold, own)
