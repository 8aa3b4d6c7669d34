from __future__ import annotations

import json

from .stand_in_servers import refusal


def test_there_is_one_line_for_each_server(run, configured):
    result = run("health")
    assert result.exit_code == 0
    tts, whisperx = result.stdout.splitlines()
    assert tts == f"tts       ok           {configured.url}  m loaded on cpu, 0 queued, up 3 s"
    assert whisperx.startswith("whisperx  ok")


def test_one_that_is_not_ok_is_exit_code_1(run, configured):
    configured.replies["/health"] = [refusal(503, "engine_unavailable", "the engine is away")]
    result = run("health")
    assert result.exit_code == 1
    assert "error" in result.stdout.splitlines()[0]
    assert "the engine is away" in result.stdout.splitlines()[0]
    assert result.stderr == "skylark: not ok: tts\n"


def test_one_that_is_away_is_said_in_its_line(run, configured, home):
    (home / "c.json").write_text(
        json.dumps({"server_url": configured.url, "whisper_url": "http://127.0.0.1:1"})
    )
    result = run("health", "--config", "c.json", "--json")
    assert result.exit_code == 1
    answers = json.loads(result.stdout)
    assert answers["tts"]["status"] == "ok"
    assert answers["whisperx"]["status"] == "unreachable"


def test_a_bad_configuration_is_exit_code_2_and_one_line(run, home):
    (home / "server_config.json").write_text('{"server_ulr": "http://x"}')
    result = run("health")
    assert result.exit_code == 2
    assert result.stderr == (
        "skylark: server_config.json: unknown key server_ulr;"
        " known are server_url, whisper_url, api_key, machine_url, jobs_url\n"
    )


def test_a_server_without_its_engine_says_why_it_is_degraded(run, configured):
    error = {"code": "engine_unavailable", "message": "the engine is away"}
    configured.replies["/health"] = [(200, {}, {"status": "degraded", "error": error})]
    result = run("health")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == f"tts       degraded     {configured.url}  the engine is away"
