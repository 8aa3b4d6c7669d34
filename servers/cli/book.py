"""A text spoken paragraph by paragraph into a folder, a few at a time, so that a crash loses little."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.cli.client import Servers
from servers.cli.spoken_files import SpeechOptions, SpokenFiles
from servers.errors import BackendFailed, InvalidRequest, ModelLoadFailed, SkylarkError

TEXTS_A_REQUEST = 4


@dataclass(frozen=True)
class Paragraph:
    file: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """What became of one paragraph: a duration, or an error."""

    paragraph: Paragraph
    duration_s: float = 0.0
    reused: bool = False
    error: SkylarkError | None = None

    def to_dict(self) -> dict[str, Any]:
        """The form that --json prints."""
        ending = (
            {"error": self.error.to_dict()}
            if self.error
            else {"duration_s": self.duration_s, "reused": self.reused}
        )
        return {"file": self.paragraph.file, "text": self.paragraph.text} | ending


class Book:
    """The paragraphs of one text and the folder that they are spoken into."""

    def __init__(self, texts: Sequence[str], folder: Path, options: SpeechOptions) -> None:
        """Makes the folder. Raises ConfigError if its manifest cannot be read."""
        folder.mkdir(parents=True, exist_ok=True)
        self.options = options
        self.spoken = SpokenFiles(folder)
        self.ignored: set[str] = set()
        """Those options that the model did not act on."""
        digits = max(4, len(str(len(texts))))
        self.paragraphs = [
            Paragraph(f"{number:0{digits}}.{options.format}", text) for number, text in enumerate(texts, 1)
        ]

    def left_over(self) -> list[str]:
        """Files of an earlier, longer text: nobody said that they may be deleted."""
        return self.spoken.others({paragraph.file for paragraph in self.paragraphs})

    def reuse(self) -> list[Outcome]:
        """Those paragraphs that need not be spoken again."""
        wanted = {paragraph.file: paragraph.text for paragraph in self.paragraphs}
        at_hand = self.spoken.settle(wanted, self.options)
        return [
            Outcome(paragraph, self.spoken.duration_s(paragraph.file), reused=True)
            for paragraph in self.paragraphs
            if paragraph.file in at_hand
        ]

    def speak(self, servers: Servers, missing: Sequence[Paragraph], *, batch: bool) -> Iterator[Outcome]:
        """Speaks `missing`, and yields each paragraph's outcome once it is safely on disk: while the next one
        is spoken.

        Raises the server's error where it concerns all paragraphs.
        """
        for start in range(0, len(missing), TEXTS_A_REQUEST):
            yield from self._request(servers, missing[start : start + TEXTS_A_REQUEST], batch=batch)

    def _request(self, servers: Servers, some: Sequence[Paragraph], *, batch: bool) -> Iterator[Outcome]:
        texts = [paragraph.text for paragraph in some]
        results = servers.speak_each(texts, batch=batch or None, **self.options.model_dump())
        try:
            with closing(results):
                for index, result in results:
                    yield self._keep(some[index], result)
        except SkylarkError as error:
            if not _is_about_a_text(error):
                raise
            if len(some) == 1:
                yield Outcome(some[0], error=error)
                return
            for paragraph in some:  # one of the texts may have been refused, and the others with it
                yield from self._request(servers, [paragraph], batch=batch)
            return

    def _keep(self, paragraph: Paragraph, result: dict[str, Any]) -> Outcome:
        if "error" in result:
            return Outcome(paragraph, error=SkylarkError.from_dict(result["error"]))
        self.ignored.update(result.get("ignored", ()))
        audio = base64.b64decode(result["audio"])
        self.spoken.record(paragraph.file, paragraph.text, self.options, audio, result["duration_s"])
        self.spoken.save()
        return Outcome(paragraph, result["duration_s"])


def _is_about_a_text(error: SkylarkError) -> bool:
    """Whether other texts may fare better: neither a voice that is unknown nor a missing model is."""
    if isinstance(error, InvalidRequest):
        return (error.param or "").startswith("text")
    return isinstance(error, BackendFailed) and not isinstance(error, ModelLoadFailed)
