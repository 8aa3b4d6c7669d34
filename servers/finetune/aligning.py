"""Whether a recording says its text, asked of the models that listen: a job of the one queue for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from servers.errors import InvalidRequest, MissingExtra, ModelLoadFailed, SkylarkError, UnknownModel
from servers.finetune.trainings import PRIORITY
from servers.jobs.client import JobsClient
from servers.jobs.requests import Requests

TASK = "align"
ONE_S = 3_600.0
"""How long one recording is waited for, while others are served first."""
NOBODY_LISTENS = (MissingExtra, ModelLoadFailed, UnknownModel)


class Listener:
    """An aligner for servers.datasets.fit, which asks for one owner while that is `wanted`.

    Where nobody can listen, or not in that language, no recording is at fault: all of them pass, and
    `why_not` says why they were not listened to.
    """

    def __init__(
        self,
        client: JobsClient,
        listening: Callable[[], Requests],
        language: str | None,
        owner: str | None,
        wanted: Callable[[], bool],
    ) -> None:
        self.why_not: str | None = None
        self._client, self._listening, self._language = client, listening, language
        self._owner, self._wanted = owner, wanted

    def __call__(self, audio: Path, text: str) -> Sequence[Mapping[str, Any]]:
        """Words as /align answers. Raises what the engine says of the recording, and JobCancelled."""
        if self.why_not is not None:
            return ()
        try:
            return self._words(audio, text)
        except NOBODY_LISTENS as error:
            self.why_not = error.message
        except InvalidRequest as error:
            if (error.param or "").rpartition(".")[2] != "language":
                raise
            self.why_not = error.message
        return ()

    def _words(self, audio: Path, text: str) -> Sequence[Mapping[str, Any]]:
        payload = {"task": TASK, "audio_path": str(audio), "text": text}
        if self._language is not None:
            payload["language"] = self._language
        model = self._listening().model(None, payload)
        job: dict[str, Any] = {"model_type": model.backend, "model": model.name, "payload": payload}
        job |= {"priority": PRIORITY, "expires": False}
        (job_id,) = self._client.submit([job], owner=self._owner)
        ended = self._client.wait(job_id, timeout_s=ONE_S, wanted=self._wanted)
        if ended["error"] is not None:
            raise SkylarkError.from_dict(ended["error"])
        words: Sequence[Mapping[str, Any]] = ended["result"]["words"]
        return words
