"""Why a server ended: its own sentence, found in its log."""

from __future__ import annotations

import json

import pytest

from servers.cli.last_words import last_words


def logged(level: str, message: str) -> str:
    return json.dumps({"at": "2026-01-01", "level": level, "message": message})


BOOTED = logged("INFO", "Booting worker")
REFUSED = logged("CRITICAL", "engine.device: there is no 'cuda:7'\n possible are cpu")
EXITED = logged("ERROR", "Worker exited with code 3.")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([BOOTED, REFUSED, EXITED], "engine.device: there is no 'cuda:7' possible are cpu"),
        (["skylark: refusing to listen on 0.0.0.0"], "refusing to listen on 0.0.0.0"),
        ([REFUSED, BOOTED, "skylark: the last one counts", EXITED], "the last one counts"),
        ([BOOTED, EXITED, "Traceback (most recent call last):", "[]", "{"], None),
        ([], None),
    ],
)
def test_the_last_sentence_with_which_it_refused_is_why(tmp_path, lines, said):
    log = tmp_path / "engine.log"
    log.write_text("".join(f"{line}\n" for line in lines))
    assert last_words(log, 0) == said


def test_what_an_earlier_run_said_is_not_heard(tmp_path):
    log = tmp_path / "engine.log"
    log.write_text(f"{REFUSED}\n")
    start = log.stat().st_size
    assert last_words(log, start) is None
    log.write_text(f"{REFUSED}\nskylark: and now this\n")
    assert last_words(log, start) == "and now this"
    assert last_words(tmp_path / "none.log", 0) is None
