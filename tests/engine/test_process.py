"""How a runner's process is started."""

from __future__ import annotations

import pytest

from servers.engine.process import _spawn

SECRETS = (
    "TTS_API_KEY",
    "SKYLARK_API_KEYS",
    "skylark_api_key",
    "SKYLARK_DATABASE_URL",
    "SKYLARK_INTAKE_SECRET",
    "HF_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "PGPASSWORD",
)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """The environment of a runner's process."""
    monkeypatch.setenv("SKYLARK_MODELS_DIR", "/models")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    for name in SECRETS:
        monkeypatch.setenv(name, "marmalade-7531")
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nenv > "$0.env"\n')
    python.chmod(0o755)
    process, wire = _spawn(tmp_path)
    process.wait(10)
    wire.close()
    written = (tmp_path / "bin" / "python.env").read_text()
    return dict(line.partition("=")[::2] for line in written.splitlines())


def test_a_runner_is_told_to_stay_offline(told):
    assert (told["HF_HUB_OFFLINE"], told["TRANSFORMERS_OFFLINE"]) == ("1", "1")
    assert told["PYANNOTE_METRICS_ENABLED"] == "0"
    assert "PATH" in told


def test_a_runner_is_given_its_settings_and_no_secret(told):
    assert (told["SKYLARK_MODELS_DIR"], told["TOKENIZERS_PARALLELISM"]) == ("/models", "false")
    assert "marmalade-7531" not in told.values()
