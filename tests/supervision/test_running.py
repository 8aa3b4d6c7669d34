"""Which appliances run: what each says of itself, and what is left of one that was killed."""

from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import asdict, replace

import pytest

from servers.supervision import running as module
from servers.supervision.running import Running, announced, folder, running
from tests.supervision.appliances import Appliances


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path


@pytest.fixture
def appliances(tmp_path):
    with Appliances(tmp_path) as appliances:
        yield appliances


def files() -> list[str]:
    return sorted(file.name for file in folder().iterdir())


def test_where_nothing_was_ever_started_nothing_runs():
    assert running() == []


def test_each_says_where_it_is_for_its_user_alone_until_it_ends(appliances, tmp_path):
    with Appliances(tmp_path / "one") as short:
        (tmp_path / "one").mkdir()
        first = short.start(7100)
        second = appliances.start(7000, checkout="/another")
        assert running() == [second, first]
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder().iterdir()} == {0o600}
    assert running() == [second]
    assert files() == [f"up-{second.pid}.json"]


def test_what_a_killed_one_left_is_ignored_and_cleared_away_by_the_next(appliances):
    killed = appliances.start(7000)
    appliances.kill(killed)
    assert running() == []
    assert files() == [f"up-{killed.pid}.json"]
    following = appliances.start(7100)
    assert files() == [f"up-{following.pid}.json"]


def test_a_process_that_has_the_number_of_a_killed_one_is_not_taken_for_it(appliances):
    killed = appliances.start(7000)
    appliances.kill(killed)
    (folder() / f"up-{os.getpid()}.json").write_text(json.dumps(asdict(replace(killed, pid=os.getpid()))))
    assert running() == []


def test_what_another_version_wrote_is_ignored_and_left_while_that_lives(appliances):
    folder().mkdir(parents=True)
    theirs = folder() / f"up-{os.getpid()}.json"
    theirs.write_text('{"pid": 1, "new": true}')
    (folder() / "up-x.json").write_text("{")
    ours = appliances.start(7000)
    assert running() == [ours]
    assert theirs.exists()


def test_the_folder_is_the_platforms_own(home, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    assert folder() == home / ".local" / "state" / "skylark"
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    assert folder() == home / "state" / "skylark"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # to be ignored, the specification says
    assert folder() == home / ".local" / "state" / "skylark"
    monkeypatch.setattr(module.sys, "platform", "darwin")
    assert folder() == home / "Library" / "Application Support" / "skylark"


def test_a_folder_that_cannot_be_written_is_an_error_and_not_a_silence(home):
    (home / ".local").write_text("a file")
    with (
        pytest.raises(OSError, match="Not a directory"),
        announced(Running(1, "/c", "/d", "/d/engine.sock", {})),
    ):
        pytest.fail("entered")
