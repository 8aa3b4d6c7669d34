"""Skylark beside other servers on the same weights: the same requests to both, in turn, in one run.

The others are no part of Skylark: whoever measures installs and starts them on this machine, each in an
environment of its own, and names them with `--peer NAME=URL`, as often as there are some:

    scripts/bench peers --peer piper=http://127.0.0.1:8302 --peer speaches-listens=http://127.0.0.1:8300

All read what `skylark models pull piper-en-us-joe whisper-base` put into MODELS, by links in a folder F:
F/joe.onnx and F/joe.onnx.json to the voice's model.onnx and config.json, and for Speaches a cache of the hub,
F/hub/models--OWNER--NAME/ with refs/main that says 1, blobs/ and snapshots/1/. In it whisper-base is
Systran/faster-whisper-base and the voice speaches-ai/piper-en_US-joe-medium, each with a README.md whose
card has library_name ctranslate2 and pipeline_tag automatic-speech-recognition, or library_name onnx,
pipeline_tag text-to-speech and tags [speaches, piper]. Whisper computes in int8, as Skylark lets it on a CPU:

    piper                   pip install 'piper-tts[http]'
                            python -m piper.http_server --host 127.0.0.1 --port 8302 -m F/joe.onnx
    faster-whisper-server   pip install faster-whisper-server; F/fws.yaml has models: [{name: whisper-1,
                            path: MODELS/whisper-base, batch_size: 8, model_options: {compute_type: int8}}]
                            faster-whisper-server -f F/fws.yaml --host 127.0.0.1 --port 8301
    speaches-listens,       pip install . in speaches-ai/speaches, with Python 3.12 and the versions of its
    speaches-speaks         uv.lock, of onnx-asr, faster-whisper, fastapi and huggingface-hub at least
                            HF_HUB_CACHE=F/hub HF_HUB_OFFLINE=1 ENABLE_UI=false WHISPER__COMPUTE_TYPE=int8
                            uvicorn --factory speaches.main:create_app --host 127.0.0.1 --port 8300
    qwen3-tts-fastapi       groxaxo/Qwen3-TTS-Openai-Fastapi on a tiny random checkpoint, made by
                            python -c 'from benchmarks.peers import *; write_checkpoint(Path("CHECKPOINT"))'
                            and named to scripts/bench too, as --checkpoint CHECKPOINT
                            TTS_MODEL_NAME=CHECKPOINT OMP_NUM_THREADS=1 PORT=8303 python -m api.main

A runner is nicer than the doors by 5: where something else computes on the machine, the others should be.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.figures import Figure
from benchmarks.gpu.checkpoints import write_endless
from benchmarks.side_by_side import PATIENCE_S, Ask, Side, compared, in_turn, listening_at
from tests.acceptance.processes import Appliance, running_appliance
from tests.backends.qwen_models import Place
from tests.real_weights import librivox

CLIENTS = (1, 8, 32)
TEXT = "The quick brown fox jumps over the lazy dog, and nobody in the village is surprised. It is number {}."
FRAMES = 50
"""Of 80 ms, that a random Qwen3-TTS speaks whatever the text."""
THREADS = 1
"""Of torch: models this small are not worth dividing."""
MODELS = """
backends:
  piper: {{default: voices, models: {{voices: {{checkpoint: piper-en-us-joe, preload: true}}}}}}
  faster_whisper: {{default: base, models: {{base: {{checkpoint: whisper-base, preload: true}}}}}}
"""
QWEN = """
  qwen3_tts:
    default: tiny
    models: {{tiny: {{checkpoint: {checkpoint}, max_frames: {frames}, trim_silence: false, preload: true}}}}
"""


@dataclass(frozen=True)
class Peer:
    """How the same is asked of Skylark, at one of its doors, and of the peer."""

    door: str
    ours: Callable[[int], Ask]
    theirs: Callable[[int], Ask]


def speech(**fields: str) -> Callable[[int], Ask]:
    return lambda number: Ask("/v1/audio/speech", {"json": {"input": TEXT.format(number)} | fields})


def synthesize(number: int) -> Ask:
    return Ask("/synthesize", {"json": {"text": TEXT.format(number)}})


def transcription(**fields: str) -> Callable[[int], Ask]:
    """Of the clips in turn. Their language is named: to hear which it is costs an encoding more."""
    clips = [clip.audio.read_bytes() for clip in librivox()]

    def ask(number: int) -> Ask:
        file = ("clip.wav", clips[number % len(clips)], "audio/wav")
        body = {"data": fields | {"language": "en"}, "files": {"file": file}}
        return Ask("/v1/audio/transcriptions", body)

    return ask


def peer(name: str) -> Peer:
    """Raises KeyError."""
    wav, pcm = {"voice": "default", "response_format": "wav"}, {"response_format": "pcm"}
    qwen = {"voice": "vivian", "response_format": "wav"}
    joe = {"model": "speaches-ai/piper-en_US-joe-medium", "voice": "joe"}
    return {
        "piper": lambda: Peer("tts", speech(**wav), synthesize),
        # pcm, for it makes the other formats with a program of its own, which it starts for each request
        "speaches-speaks": lambda: Peer("tts", speech(**pcm), speech(**pcm, **joe)),
        "speaches-listens": lambda: Peer(
            "whisperx", transcription(), transcription(model="Systran/faster-whisper-base")
        ),
        "faster-whisper-server": lambda: Peer(
            "whisperx", transcription(), transcription(model_name="whisper-1")
        ),
        "qwen3-tts-fastapi": lambda: Peer(
            "tts", speech(model="qwen3_tts/tiny", **qwen), speech(model="qwen3-tts", **qwen)
        ),
    }[name]()


def write_checkpoint(folder: Path) -> Path:
    """A tiny random Qwen3-TTS that never ends of itself, and that the package too lets speak for FRAMES."""
    checkpoint = write_endless(folder, "tiny", Place("cpu", "float32"))
    generation = checkpoint / "generation_config.json"
    generation.write_text(json.dumps(json.loads(generation.read_text()) | {"max_new_tokens": FRAMES + 1}))
    return checkpoint


def measure(peers: Sequence[str], rounds: int, checkpoint: Path | None) -> list[Figure]:
    """`peers` are NAME=URL; where there is none, nothing is measured."""
    if not peers:
        return []
    figures = []
    with skylark(checkpoint) as appliance:
        for name, _, url in (named.partition("=") for named in peers):
            other = peer(name)
            sides = (
                Side(appliance.url(other.door, ""), other.ours, appliance.family),
                Side(url.rstrip("/"), other.theirs, partial(listening_at, urlsplit(url).port)),
            )
            for clients in CLIENTS:
                figures += compared(f"{name}, {clients} at once", *in_turn(sides, clients, rounds))
    return figures


@contextmanager
def skylark(checkpoint: Path | None) -> Iterator[Appliance]:
    more = QWEN.format(checkpoint=checkpoint.resolve(), frames=FRAMES) if checkpoint else ""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        models = Path(folder) / "models.yaml"
        models.write_text(MODELS.format() + more)
        with running_appliance(
            SKYLARK_MODELS_FILE=str(models),
            SKYLARK_BACKENDS_PATH="[]",
            SKYLARK_TTS__MODEL_TYPE="piper",
            SKYLARK_WHISPERX__MODEL_TYPE="faster_whisper",
            SKYLARK_ENGINE__LOAD_TIMEOUT_S=str(PATIENCE_S),
            **({"OMP_NUM_THREADS": str(THREADS)} if checkpoint else {}),
        ) as appliance:
            yield appliance
