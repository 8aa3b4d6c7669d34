"""What is wrong with a recording costs neither the process its memory nor the client a typed answer."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from servers.audio.files import probe, read
from servers.errors import AudioTooLong, UnsupportedAudio
from servers.settings import ROOT
from tests.audio.headers import damaged, whole_files

FILES = 400
MOST_GROWTH_MB = 300
GROWTH = """
import resource, sys
from pathlib import Path
from servers.audio.files import read
from servers.errors import SkylarkError

def highest_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

before = highest_mb()
for path in sys.argv[1:]:
    try:
        read(Path(path), 16_000)
    except SkylarkError:
        pass
print(highest_mb() - before)
"""


def growth_mb(*files: Path) -> float:
    """How much more memory a process has taken at most, once it has read these."""
    found = subprocess.run(
        [sys.executable, "-c", GROWTH, *map(str, files)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(found.stdout)


@pytest.fixture(scope="module")
def wrecks() -> list[bytes]:
    dice, whole = random.Random(3), whole_files()
    return [damaged(whole[number % len(whole)], dice) for number in range(FILES)]


def end_of(use: Callable[[], object]) -> str:
    """How reading ends: whatever is raised but the two types that say what is wrong with a file fails."""
    try:
        use()
    except (UnsupportedAudio, AudioTooLong) as error:
        return f"{error.code} {error.param}"
    return "read"


def test_a_file_with_a_damaged_header_is_read_or_refused_by_type(wrecks, tmp_path):
    path = tmp_path / "wreck"
    ends: Counter[str] = Counter()
    for wreck in wrecks:
        path.write_bytes(wreck)
        ends.update([end_of(lambda: read(path, 16_000)), end_of(lambda: probe(path))])
        assert end_of(lambda wreck=wreck: probe(io.BytesIO(wreck))) == end_of(lambda: probe(path))
    assert ends.keys() <= {"read", "unsupported_audio audio_path", "audio_too_long audio_path"}
    assert min(ends["read"], ends["unsupported_audio audio_path"]) > FILES // 4, ends


def test_damaged_headers_cost_no_memory(wrecks, tmp_path):
    for number, wreck in enumerate(wrecks):
        (tmp_path / str(number)).write_bytes(wreck)
    assert growth_mb(*tmp_path.iterdir()) < MOST_GROWTH_MB


def test_a_small_file_that_holds_much_is_read_in_little_memory(tmp_path):
    path = tmp_path / "silence.flac"
    second = np.zeros((192_000, 8), np.int16)
    with soundfile.SoundFile(path, "w", 192_000, 8, format="FLAC", subtype="PCM_16") as file:
        for _ in range(300):
            file.write(second)
    assert path.stat().st_size < 1_000_000
    assert growth_mb(path) < MOST_GROWTH_MB


def test_a_rate_of_one_a_second_costs_nothing(tmp_path):
    path = tmp_path / "slow.wav"
    soundfile.write(path, np.zeros(20_000, np.int16), 1)
    assert growth_mb(path) < MOST_GROWTH_MB
