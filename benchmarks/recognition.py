"""What whisperx and faster-whisper do by themselves beside what Skylark does: see `_whisperx/__init__.py`.

On tiny random checkpoints, or on a Whisper in ctranslate2's form; the voice activity detection is the real
one. Each measurement has a process of its own, so that no other one's memory is in its peak, and one thread;
times are the processor's, so that what else the machine does is not in them.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cost import Cost, alone, costing, figures
from benchmarks.figures import Figure
from servers.audio.files import read
from servers.backends._whisper.chunks import SAMPLE_RATE, Audio
from servers.backends._whisper.device import find_device
from servers.backends._whisper.folders import Folder
from servers.backends._whisper.options import DecodeOptions, WhisperRequest
from servers.backends._whisper.recogniser import Recogniser
from servers.backends._whisper.speakers import Speakers, Turn
from servers.backends._whisperx import loading
from servers.backends._whisperx.aligner import BLOCK_S
from servers.backends._whisperx.front import PipelineFront
from servers.backends.espeak import Espeak, EspeakUtterance
from servers.backends.whisperx import Whisperx
from servers.settings import settings
from servers.speech import AlignRequest, Chunk, ModelSpec
from tests.backends import tiny_whisperx

TEXT = (
    "The old keeper walked slowly down the beach, counting the boats as they came home before the storm. "
    "His name was Thomas Wickhambly — and he had lived on the island for 45 years. "
    "It said that the light would be replaced by a $45.50 machine.\n\n"
)
PAUSE_S = 1.0
TOKENS = 12
"""Of each chunk: random weights never come to an end of their own."""
CHUNKS, RECORDINGS = 8, 8
THREADS = 1


@dataclass(frozen=True)
class Inputs:
    """The checkpoints, and a recording of some minutes with the text that is read in it."""

    whisper: Path
    english: Path
    punkt: Path
    audio: Path
    text: str

    def samples(self) -> Audio:
        return np.load(self.audio.with_suffix(".npy"))

    def backend(self) -> Whisperx:
        backend = Whisperx()
        options = {
            "checkpoint": self.whisper,
            "compute_type": "float32",
            "cpu_threads": THREADS,
            "max_new_tokens": TOKENS,
            "align": {"en": self.english},
        }
        backend.load(ModelSpec(backend="whisperx", name="measured", options=options), "cpu")
        return backend

    def pipeline(self) -> Any:
        """whisperx's own."""
        loading.import_libraries()
        loading.use_threads(THREADS)
        device = find_device("cpu", "float32")
        pipeline = loading.whisper(Folder(self.whisper, "checkpoint", "measured"), device, THREADS)
        pipeline.model.max_length = 4 + TOKENS  # it has no other way to say so; the prompt has four
        return pipeline


def measure(minutes: float, whisper: Path | None = None) -> list[Figure]:
    os.environ["SKYLARK_LIMITS__MAX_AUDIO_S"] = str(60 * minutes + 60)  # for the processes that are measured
    settings.cache_clear()
    with tempfile.TemporaryDirectory(prefix="recognition-") as folder:
        inputs = _inputs(Path(folder), minutes, whisper)
        return [
            *_alignment(inputs, minutes),
            *_alone(_dashes, inputs),
            *_transcription(inputs, minutes),
            *_alone(_temperature, inputs),
            *_alone(_shared_batches, inputs),
            *_alone(_diarization),
        ]


def _inputs(folder: Path, minutes: float, whisper: Path | None) -> Inputs:
    import soundfile

    espeak = Espeak()
    espeak.load(ModelSpec(backend="espeak", name="espeak"), "cpu")
    chunks = [item for _, item in espeak.synthesize([EspeakUtterance(text=TEXT)]) if isinstance(item, Chunk)]
    audio = folder / "audio.wav"
    soundfile.write(audio, np.concatenate([chunk.samples for chunk in chunks]), chunks[0].sample_rate)
    once, _ = read(audio, SAMPLE_RATE)
    paragraph = np.concatenate([once, np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)])
    times = max(1, round(minutes * 60 * SAMPLE_RATE / len(paragraph)))
    np.save(audio.with_suffix(".npy"), np.tile(paragraph, times))
    soundfile.write(audio, np.tile(paragraph, times), SAMPLE_RATE)
    return Inputs(
        whisper=whisper or tiny_whisperx.whisper(folder / "whisper"),
        english=tiny_whisperx.wav2vec2(folder / "en"),
        punkt=tiny_whisperx.punkt(folder / "nltk"),
        audio=audio,
        text=(TEXT * times).strip(),
    )


# A text and its recording


def _alignment(inputs: Inputs, minutes: float) -> list[Figure]:
    what = f"a text of {minutes:g} min aligned"
    return [
        *figures(f"{what}, whisperx.align", _alone(_align_theirs, inputs)),
        *figures(f"{what}, Skylark", _alone(_align_ours, inputs)),
    ]


def _align_theirs(inputs: Inputs) -> Cost:
    import whisperx.alignment

    model, metadata = _alignment_model(inputs)
    segment = {"text": inputs.text, "start": 0.0, "end": len(inputs.samples()) / SAMPLE_RATE}
    return costing(lambda: [whisperx.alignment.align([segment], model, metadata, inputs.samples(), "cpu")])


def _align_ours(inputs: Inputs) -> Cost:
    backend = inputs.backend()
    backend._model.aligners.get("en")
    return costing(lambda: backend.align([AlignRequest(audio_path=inputs.audio, text=inputs.text)]))


def _alignment_model(inputs: Inputs) -> tuple[Any, Any]:
    loading.import_libraries()
    loading.use_threads(THREADS)
    import nltk
    import whisperx.alignment

    nltk.data.path[:] = [str(inputs.punkt)]  # without it, it would be downloaded
    return whisperx.alignment.load_align_model("en", "cpu", model_name=str(inputs.english))


def _dashes(inputs: Inputs) -> list[Figure]:
    """What becomes of words that nobody says."""
    import whisperx.alignment

    model, metadata = _alignment_model(inputs)
    samples, text = inputs.samples()[: round(BLOCK_S * SAMPLE_RATE)], TEXT.strip()
    segment = {"text": text, "start": 0.0, "end": len(samples) / SAMPLE_RATE}
    theirs = whisperx.alignment.align([segment], model, metadata, samples, "cpu")["word_segments"]
    ours = loading.Aligners({"en": Folder(inputs.english, "align.en", "measured")}, "cpu", 1).get("en")
    scored = [word["word"] for word in theirs if "score" in word]
    interpolated = [word.word for word in ours.align_chunk(text, samples).words if word.interpolated]
    return [
        Figure("dashes in a text", text.count("—"), ""),
        Figure("dashes that whisperx.align times and scores as if they were said", scored.count("—"), ""),
        Figure("dashes that Skylark marks as interpolated", interpolated.count("—"), ""),
    ]


# A recording without its text


def _transcription(inputs: Inputs, minutes: float) -> list[Figure]:
    what = f"{minutes:g} min transcribed"
    return [
        *figures(f"{what}, whisperx's pipeline", _alone(_transcribe_whisperx, inputs)),
        *figures(f"{what}, faster-whisper's batched pipeline", _alone(_transcribe_faster_whisper, inputs)),
        *figures(f"{what}, Skylark", _alone(_transcribe_ours, inputs)),
    ]


def _transcribe_whisperx(inputs: Inputs) -> Cost:
    """It can be stopped where it calls back."""
    pipeline, calls = inputs.pipeline(), []

    def transcribe() -> Iterable[float]:
        called = lambda _: calls.append(time.process_time())  # noqa: E731
        pipeline.transcribe(inputs.samples(), CHUNKS, language="en", progress_callback=called)
        return ()

    return costing(transcribe).stopping_at(calls)


def _transcribe_faster_whisper(inputs: Inputs) -> Cost:
    from faster_whisper import BatchedInferencePipeline

    pipeline = BatchedInferencePipeline(inputs.pipeline().model)
    return costing(lambda: pipeline.transcribe(inputs.samples(), language="en", batch_size=CHUNKS)[0])


def _transcribe_ours(inputs: Inputs) -> Cost:
    backend = inputs.backend()
    request = WhisperRequest(audio_path=inputs.audio, words=False, batch_size=CHUNKS)
    return costing(lambda: backend.transcribe([request]))


def _temperature(inputs: Inputs) -> list[Figure]:
    """Texts of the same chunks that a temperature of 1 changes: it is to make bolder guesses."""
    from faster_whisper import BatchedInferencePipeline

    pipeline = inputs.pipeline()
    chunks = _chunks(inputs)
    joined, clips = np.concatenate(chunks), _clips(chunks)
    theirs = BatchedInferencePipeline(pipeline.model)
    recogniser = Recogniser(PipelineFront(pipeline), beam_size=5, max_new_tokens=TOKENS)

    def with_theirs(temperature: float) -> list[str]:
        found, _ = theirs.transcribe(
            joined, language="en", temperature=temperature, clip_timestamps=clips, batch_size=CHUNKS
        )
        return [segment.text.strip() for segment in found]

    def with_ours(temperature: float) -> list[str]:
        return [each.text for each in recogniser.decode(chunks, DecodeOptions("en", temperature=temperature))]

    return [
        Figure(
            f"texts of {CHUNKS} that temperature 1 changes, {whose}",
            sum(cold != warm for cold, warm in zip(decode(0.0), decode(1.0), strict=True)),
            "",
        )
        for whose, decode in (("faster-whisper's batched pipeline", with_theirs), ("Skylark", with_ours))
    ]


def _shared_batches(inputs: Inputs) -> list[Figure]:
    """How often the decoder is called for short recordings, of one chunk each."""
    import soundfile

    samples = inputs.samples()[: 10 * SAMPLE_RATE]
    soundfile.write(inputs.audio, samples, SAMPLE_RATE)
    pipeline, backend = inputs.pipeline(), inputs.backend()
    ours = backend._model.recogniser._whisper
    requests = [WhisperRequest(audio_path=inputs.audio, words=False)] * RECORDINGS
    calls = [
        _calls(pipeline.model, lambda: [pipeline.transcribe(samples, 8, language="en") for _ in requests]),
        _calls(ours, lambda: list(backend.transcribe(requests))),
    ]
    what = f"calls of the decoder for {RECORDINGS} recordings of 10 s"
    return [Figure(f"{what}, whisperx's pipeline", calls[0], ""), Figure(f"{what}, Skylark", calls[1], "")]


def _calls(whisper: Any, work: Callable[[], object]) -> int:
    """How often `work` has the model encode a batch."""
    encode, batches = whisper.encode, []
    whisper.encode = lambda features: (batches.append(len(features)), encode(features))[1]
    work()
    return len(batches)


def _chunks(inputs: Inputs) -> list[Audio]:
    """Different ones: each starts a second after the one before."""
    samples = inputs.samples()
    return [
        samples[start : start + 10 * SAMPLE_RATE] for start in range(0, CHUNKS * SAMPLE_RATE, SAMPLE_RATE)
    ]


def _clips(chunks: list[Audio]) -> list[dict[str, float]]:
    ends = np.cumsum([len(chunk) for chunk in chunks]) / SAMPLE_RATE
    return [
        {"start": end - len(chunk) / SAMPLE_RATE, "end": end} for chunk, end in zip(chunks, ends, strict=True)
    ]


# Speakers


def _diarization() -> list[Figure]:
    """Words in the pauses of a conversation, where the diarization found nobody: a dash, a quiet "yes"."""
    loading.import_libraries()
    import pandas
    from whisperx.diarize import assign_word_speakers

    turns, words = _conversation(random.Random(1))
    table = pandas.DataFrame([vars(turn) for turn in turns])
    segment = {"start": 0.0, "end": turns[-1].end, "words": [{"start": at, "end": at + 0.1} for at in words]}
    assign_word_speakers(table, {"segments": [segment]}, fill_nearest=True)
    speakers = Speakers(turns)
    wrong = [word["speaker"] != speakers.speaker_at(word["start"], word["end"]) for word in segment["words"]]
    share = 100 * sum(wrong) / len(wrong)
    return [Figure("words in pauses that whisperx gives to one who is not the nearest", share, "%")]


def _conversation(chance: random.Random) -> tuple[list[Turn], list[float]]:
    """Turns of 1 to 30 s with pauses of 1 to 3 s between them, and a word in each pause."""
    turns, words, now = [], [], 0.0
    for number in range(400):
        turn = Turn(now, now + chance.uniform(1, 30), f"SPEAKER_{number % 3:02}")
        pause = chance.uniform(1, 3)
        turns.append(turn)
        words.append(turn.end + chance.uniform(0, pause - 0.1))
        now = turn.end + pause
    return turns, words[:-1]


def _alone(measured: Callable[..., Any], *arguments: Any) -> Any:
    return alone(
        measured,
        *arguments,
        preload=["whisperx.asr", "whisperx.diarize", "nltk", __name__],
        OMP_NUM_THREADS=str(THREADS),
        **loading.OFFLINE,
    )
