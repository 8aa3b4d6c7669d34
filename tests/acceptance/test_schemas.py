"""schemathesis and each server's OpenAPI document; `scripts/bench schemas` is the long campaign."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.schemas import Guarded, guarded_appliance, schemathesis

EXAMPLES = 5
BOTH = {"tts": "^/v1/audio/trans", "whisperx": "^/v1/(audio/(speech|voices)|models)"}
"""OpenAI's paths are the same code on both servers: here each has those that are of its own kind."""
NEVER = {
    # what is embedded cannot translate
    *("POST /v1/audio/translations",),
    # a WebSocket is opened by tests/acceptance/test_websocket.py: over plain HTTP it is 426
    *(f"GET /v1/text-to-speech/{{voice_id}}/{name}-input" for name in ("stream", "multi-stream")),
    # no job waits long enough here to be withdrawn
    "DELETE /jobs/{job_id}",
    # needs an extra
    "POST /cpu/normalize",
    # a clip of a second, and a voice to remove: tests/acceptance/test_cloned_voices.py
    *("POST /v1/voices", "DELETE /v1/voices/{voice_id}"),
}
"""Operations of which none can succeed."""


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with guarded_appliance() as guarded:
        yield guarded


@pytest.mark.parametrize("server", ["tts", "whisperx", "engine"])
def test_a_server_does_what_its_document_says_and_nothing_else(guarded: Guarded, server: str) -> None:
    options = ("--exclude-path-regex", BOTH[server]) if server in BOTH else ()
    found = schemathesis(guarded, server, EXAMPLES, *options)
    assert found.failures == [], found.output
    assert {operation for operation, count in found.accepted.items() if not count} <= NEVER
