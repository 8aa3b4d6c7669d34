"""A stand-in model that clones voices: it plays its clip, so that tests hear which one it was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from servers.audio.files import recording
from servers.audio.pcm import to_int16
from servers.audio.reference import clip_samples
from servers.backends.base import About, Backend, Description, Options, SynthesisItems
from servers.errors import InvalidRequest, SkylarkError
from servers.speech import Chunk, CloningUtterance, ModelSpec, Speech

SAMPLE_RATE = 24_000
FIELD = "reference_audio_path"
ABOUT = About(languages=("en",), sample_rate=SAMPLE_RATE, clones=True)


class Cloner(Backend):
    requests: ClassVar = {"synthesize": CloningUtterance}
    honours: ClassVar = frozenset({FIELD, "reference_text"})
    max_batch = 4

    @classmethod
    def describe(cls, options: Options) -> Description:
        return Description(ABOUT, lambda _name: False)

    def load(self, model: ModelSpec, device: str) -> About:
        return ABOUT

    def synthesize(self, utterances: Sequence[CloningUtterance]) -> SynthesisItems:
        for index, utterance in enumerate(utterances):
            try:
                yield index, _played(utterance)
                yield index, Speech()
            except SkylarkError as error:
                yield index, error


def _played(utterance: CloningUtterance) -> Chunk:
    if utterance.reference_audio_path is None:
        raise InvalidRequest("there is no voice without a reference", param=FIELD)
    with recording(utterance.reference_audio_path, FIELD) as clip:
        return Chunk(to_int16(clip_samples(clip, SAMPLE_RATE, FIELD)), SAMPLE_RATE)
