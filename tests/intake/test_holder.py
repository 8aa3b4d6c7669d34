"""The name under which a machine takes work."""

from __future__ import annotations

import pytest

from servers.intake.holder import sole_holder
from servers.settings import SettingsError


def test_the_next_process_has_the_same_name_and_another_data_dir_has_another(tmp_path):
    names = []
    for folder in ("a", "a", "b"):
        with sole_holder(tmp_path / folder) as name:
            names.append(name)
    assert names[0] == names[1]
    assert names[0] != names[2]
    assert all(names)


def test_two_at_a_time_cannot_have_it(tmp_path):
    with sole_holder(tmp_path), pytest.raises(SettingsError, match="another intake"), sole_holder(tmp_path):
        pass
