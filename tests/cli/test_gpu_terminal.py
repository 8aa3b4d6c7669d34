"""skylark start-gpu at a terminal: a table that changes, and somebody who types Ctrl-C."""

from __future__ import annotations

import re

import pytest

from .stand_in_machine import Machine
from .terminal import skylark

COLOURS = re.compile(r"\x1b\[\d+m")
FAULT = {"code": "no_capacity", "message": "no g5.xlarge anywhere", "next_attempt_at": None}


@pytest.fixture
def start_gpu(server, home):
    server.machine = Machine()
    opened = []

    def start(*options):
        config = ("--server", server.url + "/x")
        opened.append(skylark("start-gpu", *config, *options, HOME=str(home)))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def test_the_stages_are_a_table_that_changes(start_gpu, server):
    server.machine.first_stage = 4
    terminal = start_gpu()
    terminal.until("about 2 min 20 s left")
    assert terminal.ended() == 0
    seen = COLOURS.sub("", terminal.seen)
    assert "· first audio" not in seen
    assert "✓ model             40 s  (usually 50 s)" in seen
    assert "✓ first audio       50 s  (usually 10 s)" in seen
    assert "ready; g5.xlarge, spot, in eu-central-1a, $0.42 an hour; held until" in seen


def test_ctrl_c_leaves_the_start_going_on(start_gpu, server):
    server.machine.faults = dict.fromkeys(range(1, 1000), FAULT)
    terminal = start_gpu()
    terminal.until("no g5.xlarge anywhere")
    assert terminal.interrupt() == 130
    assert "the start goes on: `skylark gpu status` shows it" in terminal.seen
    assert server.machine.state == "starting"
