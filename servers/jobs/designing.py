"""Which model designs a voice from words: the first of models.yaml that is here and can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from servers.backends.load import backend_class
from servers.catalog import Catalog
from servers.errors import UnknownModel
from servers.jobs.preferred import Candidate
from servers.speech import ModelSpec

HOW = (
    "add a Qwen3-TTS VoiceDesign checkpoint to models.yaml (config/models.example.yaml shows an entry), and "
    "`skylark models pull qwen3-tts-1.7b-voicedesign`"
)


class Designing:
    """One that can only be asked, in an environment of its own, is not among them."""

    def __init__(self, catalog: Catalog, search_path: Sequence[Path] = ()) -> None:
        every = (Candidate(spec, backend_class(spec.backend, search_path)) for spec in catalog)
        self._candidates = [each for each in every if "instruct" in each.kind.honours]

    def model(self) -> ModelSpec:
        """Raises UnknownModel where none can, saying what to do."""
        for candidate in self._candidates:
            described = candidate.description()
            if described is not None and described.about.designs:
                return candidate.spec
        raise UnknownModel(f"no model here can design a voice: {HOW}")
