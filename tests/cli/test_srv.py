"""skylark srv, against a real engine."""

from __future__ import annotations

import json
import os
import re
import uuid

import pytest

from servers.cli import srv
from servers.settings import settings
from tests.acceptance.processes import eventually, running_engine
from tests.cli.terminal import skylark

PAYLOAD = '{"text": "hi"}'
LONG = '{"text": "long", "chunks": 2000, "pace_s": 0.02}'


@pytest.fixture(scope="module")
def engine():
    with running_engine(SKYLARK_ENGINE__CANCEL_GRACE_S="1") as engine:
        (engine.folder / "files").mkdir()
        yield engine


@pytest.fixture
def srv_run(run, engine):
    def call(command, *arguments):
        return run("srv", command, *arguments, "--socket", engine.folder / "engine.sock")

    return call


@pytest.fixture
def long_job(engine):
    job_id = engine.submit(json.loads(LONG))
    eventually(lambda: engine.status(job_id) == "running", "the long job runs")
    yield job_id
    engine.client.cancel(job_id)


def test_health_is_a_line_or_json(srv_run):
    assert srv_run("health").stdout.startswith("ok  ")
    assert json.loads(srv_run("health", "--json").stdout)["queue_depth"] == 0


def test_submit_prints_the_id(srv_run, engine):
    job_id = srv_run("submit", "fake", "--payload", PAYLOAD, "--app-id", "a", "--priority", 0).stdout.strip()
    job = engine.ended(job_id)
    assert (job["status"], job["application_id"], job["priority"]) == ("done", "a", 0)
    reply = json.loads(srv_run("submit", "fake", "--model", "two", "--payload", PAYLOAD, "--json").stdout)
    assert engine.ended(reply["job_id"])["model"] == "two"


def test_submit_can_wait_for_the_result(srv_run, engine):
    file = engine.folder / "files" / "out.wav"
    reply = srv_run("submit", "fake", "--payload", PAYLOAD, "--wait", "--result-path", file)
    assert json.loads(reply.stdout)["result_path"] == str(file)
    assert file.stat().st_size > 4800
    job = json.loads(srv_run("submit", "fake", "--payload", PAYLOAD, "--wait", "--json").stdout)
    assert job["status"] == "done"


def test_a_result_path_starts_where_the_command_runs(srv_run, home):
    refusal = srv_run("submit", "fake", "--payload", PAYLOAD, "--result-path", "../x.flac")
    assert refusal.exit_code == 1
    assert "result_path" in refusal.stderr


def test_a_failed_job_is_exit_code_1_with_its_cause(srv_run):
    reply = srv_run("submit", "fake", "--wait", "--payload", '{"text": "a", "fail_after": 0}')
    assert (reply.exit_code, reply.stdout, reply.stderr) == (1, "", "skylark: asked to fail\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nope", "--payload", "{}"), 1, "no model_type 'nope'; known are"),
        (("fake", "--payload", "{}"), 1, "'payload.text' is required"),
        (("fake", "--payload", PAYLOAD, "--model", "x"), 1, "known are one, two"),
        (("fake", "--payload", PAYLOAD, "--result-path", "/etc/x.wav"), 1, "'result_path' must lie under"),
        (("fake", "--payload", "{"), 2, "--payload: not JSON"),
        (("fake", "--payload", "[]"), 2, "--payload: not a JSON object"),
        (("fake",), 2, "'--payload'"),
        (("fake", "--payload", PAYLOAD, "--priority", "-1"), 2, "'--priority'"),
    ],
)
def test_bad_input_is_one_clear_line(srv_run, arguments, code, said):
    reply = srv_run("submit", *arguments)
    assert (reply.exit_code, reply.stdout) == (code, "")
    assert said in reply.stderr.splitlines()[-1]


def test_the_queue_shows_what_runs_and_what_waits(srv_run, engine, long_job):
    waiting = engine.submit({"text": "later"}, priority=20)
    heading, _, *jobs = srv_run("queue").stdout.splitlines()
    assert heading == "1 running, 1 queued"
    assert [job.split()[:2] for job in jobs] == [[long_job, "running"], [waiting, "queued"]]
    state = json.loads(srv_run("queue", "--json").stdout)
    assert [job["id"] for job in state["queued"]] == [waiting]


def test_watching_needs_a_terminal(srv_run):
    reply = srv_run("queue", "--watch")
    assert (reply.exit_code, "terminal" in reply.stderr) == (2, True)


def test_a_job_is_cancelled_queued_or_running_but_not_when_it_has_ended(srv_run, engine, long_job):
    queued = engine.submit({"text": "later"}, priority=20)
    for job_id in (queued, long_job):
        assert srv_run("cancel", job_id).stdout == "cancelled\n"
        assert engine.status(job_id) == "cancelled"
    done = engine.ended(engine.submit({"text": "hi"}))["id"]
    reply = srv_run("cancel", done)
    assert (reply.exit_code, reply.stderr) == (
        1,
        f"skylark: job {done} is done already: there is nothing left to cancel\n",
    )


def test_a_job_that_is_not_there_cannot_be_cancelled(srv_run):
    reply = srv_run("cancel", uuid.uuid4())
    assert (reply.exit_code, "there is no job" in reply.stderr) == (1, True)
    assert srv_run("cancel", "x").exit_code == 2


@pytest.mark.parametrize("model", [("fake",), ("fake/two",)], ids=str)
def test_the_voices_of_a_model_are_listed_after_loading_it(run, engine, model):
    reply = run("voices", *model, "--socket", engine.folder / "engine.sock")
    assert reply.exit_code == 0
    heading, *voices = reply.stdout.splitlines()
    assert heading.split() == ["voice", "languages", "licence", "gender", "description"]
    assert [voice.split()[0] for voice in voices] == ["low", "high"]


def test_voices_without_a_model_are_those_of_the_tts_server(run, engine):
    reply = run("voices", "--json", "--socket", engine.folder / "engine.sock")
    assert "piper is not asked: there is no model 'piper'" in reply.stderr
    (about,) = json.loads(reply.stdout)["models"]
    assert about["model"] == "espeak/espeak-ng"
    assert about["default_voice"] in [voice["name"] for voice in about["voices"]]
    assert {voice["licence"] for voice in about["voices"]} == {"GPL-3.0-or-later"}


def test_the_other_models_that_speak_are_named_where_no_model_was(run, engine):
    (*_, last) = run("voices", "--socket", engine.folder / "engine.sock").stdout.splitlines()
    assert last.startswith("others that speak: ")
    assert "fake/two" in last
    assert "espeak/espeak-ng" not in last
    assert "pocketsphinx" not in last
    json_of_one = run("voices", "fake", "--json", "--socket", engine.folder / "engine.sock").stdout
    assert json.loads(json_of_one)["others"] == []


@pytest.mark.parametrize(
    ("model", "said"),
    [("nope", "there is no model 'nope'; known are "), ("fake/missing", "the weights are missing")],
)
def test_a_model_that_is_not_there_or_cannot_be_loaded_has_no_voices(run, engine, model, said):
    reply = run("voices", model, "--socket", engine.folder / "engine.sock")
    assert (reply.exit_code, said in reply.stderr) == (1, True)


def test_an_engine_that_is_away_is_exit_code_3(run, home):
    assert run("srv", "health", "--socket", home / "no.sock").exit_code == 3


@pytest.fixture
def terminal(engine):
    opened = []

    def open_one(*arguments, socket=engine.folder / "engine.sock", **environment):
        opened.append(skylark("srv", *arguments, "--socket", socket, **environment))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def test_the_watched_queue_changes_until_ctrl_c(terminal, engine, long_job):
    watched = terminal("queue", "--watch")
    watched.until("1 running, 0 queued")
    waiting = engine.submit({"text": "later"}, priority=20)
    watched.until("1 running, 1 queued")
    watched.until(waiting)
    assert watched.interrupt() == 0


def test_waiting_shows_a_bar_and_the_job_outlives_ctrl_c(terminal, engine):
    waiting = terminal("submit", "fake", "--wait", "--payload", LONG)
    waiting.until("running")
    assert waiting.interrupt() == 130
    waiting.until("the job goes on; to end it: skylark srv cancel ")
    job_id = waiting.seen.partition("srv cancel ")[2].split()[0]
    assert engine.status(job_id) == "running"
    engine.client.cancel(job_id)


def test_start_runs_the_engine_in_the_foreground(terminal, run, engine):
    """With a data folder of its own, and the models file and the socket that were named."""
    models, socket = engine.folder / "m.yaml", engine.folder / "my.sock"
    models.write_text("backends: {fake: {default: solo, models: {solo: {}}}}")
    folder = {**engine.environment, "SKYLARK_DATA_DIR": str(engine.folder / "own")}
    del folder["SKYLARK_ENGINE__PORT"]
    started = terminal("start", "--config", models, socket=socket, **folder)
    eventually(lambda: run("srv", "health", "--socket", socket).exit_code == 0, "it answers", 30)
    reply = run("srv", "submit", "fake", "--payload", PAYLOAD, "--wait", "--json", "--socket", socket)
    assert json.loads(reply.stdout)["model"] == "solo"
    assert started.interrupt() == 0


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--config", "none.yaml", "none.yaml: No such file or directory"),
        ("--socket", "none/x.sock", "--socket: there is no folder"),
        ("--socket", "x" * 100, "engine.socket: .* too long for a Unix socket"),
    ],
)
def test_start_refuses_in_one_line(run, home, monkeypatch, option, value, said):
    """It never gets as far as the engine."""
    monkeypatch.setattr(srv.os, "environ", dict(os.environ))
    monkeypatch.setattr(srv.os, "execv", lambda *_: pytest.fail("started"))
    reply = run("srv", "start", option, value)
    settings.cache_clear()
    assert reply.exit_code == 2
    assert re.fullmatch(f"skylark: .*{said}.*\n", reply.stderr)
