"""A line of the log: what it says, and what it leaves out."""

from __future__ import annotations

import json
import logging

import pytest

from servers.logs import JsonLines, config


def line(form: logging.Formatter, **fields: str) -> dict[str, object]:
    record = logging.makeLogRecord({"msg": "a session was started", "name": "rpc", **fields})
    found: dict[str, object] = json.loads(form.format(record))
    return found


@pytest.mark.parametrize("without", [(), ("session_id",)])
def test_a_field_is_left_out_where_it_is_not_wanted(without):
    said = line(JsonLines(without), session_id="s1", action="start_session")
    assert said["action"] == "start_session"
    assert ("session_id" in said) is (not without)


def test_what_is_left_out_is_told_to_what_logs():
    assert config("INFO", ("session_id",))["formatters"]["json"]["without"] == ("session_id",)
