"""How loud a voice is, is heard once."""

from __future__ import annotations

import io
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from servers.errors import BackendFailed, EngineUnavailable
from servers.jobs.request import Done, Requester
from servers.rpc.voice_loudness import VoiceLoudness
from servers.speech import ModelSpec

MODEL = ModelSpec(backend="fake", name="fake")
RATE_HZ = 24_000
TONE = np.int16(3_000 * np.sin(np.arange(2 * RATE_HZ) * 0.2))


class Measuring:
    """Stands in for Requests: speaks a tone, or what `outcome` says; `cloned` are an owner's clips."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.outcome: object = None
        self.cloned: dict = {}
        self.cloned_voices = SimpleNamespace(find=lambda owner, voice: self.cloned.get((owner, voice)))
        self.may_speak = threading.Event()
        self.may_speak.set()

    def description(self, _model: ModelSpec) -> None:
        return None

    def submit(self, _options, items, _requester, *, live):
        assert not live
        self.asked.append(items[0].payload)
        self.may_speak.wait(30)
        if isinstance(self.outcome, EngineUnavailable):
            raise self.outcome
        done = Done("1", {"sample_rate": RATE_HZ}, io.BytesIO(TONE.tobytes()))
        outcomes = [done if self.outcome is None else self.outcome]
        return nullcontext(SimpleNamespace(outcomes=lambda: iter(outcomes)))


@pytest.fixture
def requests() -> Measuring:
    return Measuring()


@pytest.fixture
def voices(requests, tmp_path) -> VoiceLoudness:
    return VoiceLoudness(requests, tmp_path / "data", tmp_path / "packs")


def test_it_is_heard_once_and_kept_for_the_next_process(requests, voices, tmp_path) -> None:
    first = voices.lufs(MODEL, "en", None, Requester())
    assert -30 < first < -10
    assert voices.lufs(MODEL, "en", None, Requester()) == first
    again = VoiceLoudness(requests, tmp_path / "data", tmp_path / "packs")
    assert again.lufs(MODEL, "en", None, Requester()) == first
    assert len(requests.asked) == 1


def test_each_voice_is_heard_and_a_cloned_one_for_its_owner_and_its_clip(requests, voices) -> None:
    requests.cloned = {("one", "me"): SimpleNamespace(clip="a.wav")}
    voices.lufs(MODEL, "me", None, Requester(owner="one"))
    voices.lufs(MODEL, "me", None, Requester(owner="two"))
    voices.lufs(MODEL, None, None, Requester())
    requests.cloned = {("one", "me"): SimpleNamespace(clip="b.wav")}
    voices.lufs(MODEL, "me", None, Requester(owner="one"))
    assert [payload.get("voice") for payload in requests.asked] == ["me", "me", None, "me"]


def test_a_voice_of_a_pack_has_it_beside_its_other_files(requests, voices, tmp_path) -> None:
    pack = tmp_path / "packs" / "fake" / "en"
    pack.mkdir(parents=True)
    (pack / "metadata.yaml").write_text("{}")
    voices.lufs(MODEL, "en", None, Requester())
    assert (pack / "loudness.json").is_file()


def test_a_damaged_record_is_made_anew(requests, voices, tmp_path) -> None:
    first = voices.lufs(MODEL, "en", None, Requester())
    (kept,) = (tmp_path / "data" / "loudness").iterdir()
    for content in ("", "[]", '{"lufs": "loud"}', "{}"):
        kept.write_text(content)
        assert voices.lufs(MODEL, "en", None, Requester()) == first
    assert len(requests.asked) == 5


@pytest.mark.parametrize("error", [BackendFailed("broke"), EngineUnavailable("away")])
def test_a_voice_that_could_not_be_heard_is_heard_the_next_time(requests, voices, error) -> None:
    requests.outcome = error
    with pytest.raises(type(error)):
        voices.lufs(MODEL, "en", None, Requester())
    requests.outcome = None
    assert voices.lufs(MODEL, "en", None, Requester()) is not None


def test_many_that_start_at_once_have_it_heard_once(requests, voices) -> None:
    requests.may_speak.clear()
    found: list[float | None] = []
    starts = [
        threading.Thread(target=lambda: found.append(voices.lufs(MODEL, "en", None, Requester())))
        for _ in range(8)
    ]
    for start in starts:
        start.start()
    requests.may_speak.set()
    for start in starts:
        start.join(30)
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(requests.asked) == 1
