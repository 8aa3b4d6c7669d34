"""The name under which a machine takes work."""

from __future__ import annotations

import threading

from servers.intake.holder import sole_holder
from tests.acceptance.processes import eventually

WITHIN_S = 20.0


def test_the_next_process_has_the_same_name_and_another_data_dir_has_another(tmp_path):
    names = []
    for folder in ("a", "a", "b"):
        with sole_holder(tmp_path / folder) as name:
            names.append(name)
    assert names[0] == names[1]
    assert names[0] != names[2]
    assert all(names)


def test_two_at_a_time_cannot_have_it_and_the_second_waits_for_the_firsts_end(tmp_path, caplog):
    caplog.set_level("INFO")
    has_it = threading.Event()

    def second() -> None:
        with sole_holder(tmp_path):
            has_it.set()

    waiting = threading.Thread(target=second)
    with sole_holder(tmp_path):
        waiting.start()
        eventually(lambda: caplog.records, "it says that it waits")
        assert not has_it.is_set()
    assert has_it.wait(WITHIN_S)
    waiting.join(WITHIN_S)
    assert [record.__dict__["action"] for record in caplog.records] == ["wait"]
