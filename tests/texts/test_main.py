"""What a worker's process answers."""

from __future__ import annotations

from servers.texts import __main__ as process


def test_what_a_library_raises_is_an_answer_without_the_text(monkeypatch):
    def fail(**_):
        raise ValueError("cannot segment 'secret'")

    monkeypatch.setitem(process.TASKS, "segment", fail)
    error = process.answer({"do": "segment", "text": "secret"})["error"]
    assert error["code"] == "backend_failed"
    assert "secret" not in error["message"]
