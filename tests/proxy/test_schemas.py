"""schemathesis and the proxy's OpenAPI document, before a real appliance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from benchmarks.schemas import KEY, guarded_appliance, schemathesis
from tests.proxy.process import running_proxy

EXAMPLES = 5
ENDLESS = "/api/events"
BODILESS = {
    # their bodies are the servers' own, which the proxy's document does not repeat
    *("POST /api/tts-generate", "POST /api/generate_batch", "POST /api/transcribe", "POST /api/align"),
    *(f"POST /api/whisperx/{task}" for task in ("transcribe", "align", "transcribe_batch", "align_batch")),
    # no such file, and no machine
    *("GET /page/{name}", "POST /api/start"),
}
"""Operations of which none can succeed."""


def test_the_proxy_does_what_its_document_says_and_nothing_else(tmp_path: Path) -> None:
    with guarded_appliance() as guarded:
        urls = {name: f"http://127.0.0.1:{port}" for name, port in guarded.ports.items()}
        config = tmp_path / "server_config.json"
        names = {"server_url": "tts", "whisper_url": "whisperx", "jobs_url": "engine"}
        content = {key: urls[name] for key, name in names.items()} | {"api_key": KEY}
        config.write_text(json.dumps(content), encoding="utf-8")
        with running_proxy(tmp_path, SKYLARK_PROXY__SERVER_CONFIG=str(config)) as proxy:
            asked = replace(guarded, ports={"proxy": proxy.port})
            found = schemathesis(asked, "proxy", EXAMPLES, "--exclude-path", ENDLESS)
    assert found.failures == [], found.output
    assert {operation for operation, count in found.accepted.items() if not count} <= BODILESS
