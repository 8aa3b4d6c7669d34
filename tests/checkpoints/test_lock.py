"""One at a time, and the second says that it waits."""

from __future__ import annotations

import threading

import pytest

from servers.checkpoints import lock
from servers.checkpoints.lock import alone_in
from servers.errors import Conflict, StorageFailed


def test_nobody_waits_where_nobody_holds_it(tmp_path):
    said = []
    with alone_in(tmp_path / "voice", said.append) as waited:
        assert not waited
    with alone_in(tmp_path / "voice", said.append) as waited:
        assert not waited
    assert said == []


def test_the_second_says_that_it_waits_and_goes_on_when_the_first_has_ended(tmp_path):
    order, waiting = [], threading.Event()

    def second():
        with alone_in(tmp_path / "voice", lambda line: (order.append(line), waiting.set())) as waited:
            order.append(waited)

    with alone_in(tmp_path / "voice", print):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(30)
        order.append("the first ends")
    thread.join(30)
    assert order == ["another pull of it is under way: waiting for that to end", "the first ends", True]


def test_checkpoints_of_other_names_do_not_wait(tmp_path):
    with alone_in(tmp_path / "voice", print), alone_in(tmp_path / "ear", print) as waited:
        assert not waited


def test_who_has_waited_for_too_long_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_LIMIT_S", 0.0)
    monkeypatch.setattr(lock, "LOOK_S", 0.001)
    with (
        alone_in(tmp_path / "voice", print),
        pytest.raises(Conflict, match="another pull of voice has not ended within 0 s"),
        alone_in(tmp_path / "voice", lambda _: None),
    ):
        raise AssertionError("it had the lock")


def test_a_models_dir_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "models").write_text("a file")
    with (
        pytest.raises(StorageFailed, match="the checkpoint voice could not be stored"),
        alone_in(tmp_path / "models" / "voice", print),
    ):
        raise AssertionError("it had the lock")
