"""How a runner's process is started."""

from __future__ import annotations

from servers.engine.process import _spawn


def test_a_runner_is_told_to_stay_offline(tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nenv > "$0.env"\n')
    python.chmod(0o755)
    process, wire = _spawn(tmp_path)
    process.wait(10)
    wire.close()
    told = dict(
        line.partition("=")[::2] for line in (tmp_path / "bin" / "python.env").read_text().splitlines()
    )
    assert (told["HF_HUB_OFFLINE"], told["TRANSFORMERS_OFFLINE"]) == ("1", "1")
    assert told["PYANNOTE_METRICS_ENABLED"] == "0"
    assert "PATH" in told
