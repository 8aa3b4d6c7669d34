"""scripts/benchmark.py against a server of its own on loopback."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
from werkzeug.serving import make_server

from servers.audio.encode import encode
from servers.errors import BackendFailed
from servers.settings import ROOT
from servers.tts.app import create_app as speaking
from servers.whisperx.app import create_app as listening
from tests.jobs.stand_in_engine import StandInEngine, speech, transcript
from tests.web import fixtures
from tests.web.fixtures import Configure

configure = fixtures.configure


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_script", ROOT / "scripts" / "benchmark.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def engine() -> StandInEngine:
    return StandInEngine()


def served(app: object) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tts(configure: Configure, engine: StandInEngine) -> Iterator[str]:
    configure(SKYLARK_API_KEY="secret")
    yield from served(speaking(engine))


@pytest.fixture
def whisperx(configure: Configure) -> Iterator[str]:
    yield from served(listening(StandInEngine(transcript)))


@pytest.mark.parametrize("endpoint", ["/v1/tts", "/v1/audio/speech", "/generate_batch"])
def test_a_server_that_speaks_is_measured(
    benchmark: ModuleType,
    tts: str,
    engine: StandInEngine,
    endpoint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TTS_API_KEY", "secret")
    arguments = ["--host", tts, "--requests", "6", "--concurrency", "2", "--endpoint", endpoint]
    assert benchmark.main([*arguments, "--text", "Number {n}."]) == 0
    said = capsys.readouterr().out
    assert len(engine.jobs) == 6
    assert engine.payloads[0]["text"].startswith("Number ")
    assert "requests     6 in" in said
    assert "errors       0" in said
    assert [line.split()[0] for line in said.splitlines() if "p50" in line] == ["latency", "first"]
    assert "p99" in said
    assert "s a second" in said


@pytest.mark.parametrize("endpoint", ["/transcribe", "/align", "/v1/audio/transcriptions"])
def test_a_server_that_listens_is_measured(
    benchmark: ModuleType,
    whisperx: str,
    endpoint: str,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path_factory.mktemp("recording") / "hi.wav"
    file.write_bytes(encode(np.zeros(16_000, np.int16), 16_000, "wav"))
    arguments = ["--host", whisperx, "--requests", "3", "--endpoint", endpoint, "--file", str(file)]
    assert benchmark.main(arguments) == 0
    assert "errors       0" in capsys.readouterr().out


def test_the_audio_is_counted(benchmark: ModuleType, tts: str) -> None:
    for endpoint in benchmark.TEXTS:
        asked = benchmark._arguments(["--host", tts, "--endpoint", endpoint, "--api-key", "secret"])
        assert [sample.audio_s for sample in benchmark.measured(asked)] == pytest.approx([1.0] * 10, abs=0.01)


def test_errors_are_told_apart(
    benchmark: ModuleType, tts: str, engine: StandInEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails_at_two(payload: dict) -> object:
        return BackendFailed("no") if payload["text"] == "2" else speech(payload)

    engine.outcome = fails_at_two  # type: ignore[assignment]
    arguments = ["--host", tts, "--requests", "4", "--text", "{n}"]
    assert benchmark.main([*arguments, "--api-key", "secret"]) == 1
    assert "errors       1\n             1 × 500 backend_failed" in capsys.readouterr().out
    assert benchmark.main([*arguments, "--api-key", "wrong"]) == 1
    assert "4 × 401 unauthorized" in capsys.readouterr().out


def test_a_server_that_is_not_there_is_an_error(
    benchmark: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(["--host", "http://127.0.0.1:1", "--requests", "2"]) == 1
    assert "2 × ConnectionError" in capsys.readouterr().out


def test_percentiles_are_of_the_nearest_rank(benchmark: ModuleType) -> None:
    values = list(range(1, 11))
    assert [benchmark.percentile(values, share) for share in (50, 95, 99, 100)] == [5, 10, 10, 10]
    assert benchmark.percentile([7.0], 50) == 7.0


@pytest.mark.parametrize("arguments", [["--requests", "0"], ["--endpoint", "/transcribe"]])
def test_what_cannot_be_measured_is_said(benchmark: ModuleType, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        benchmark.main(arguments)
    assert ended.value.code == 2
