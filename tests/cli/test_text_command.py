"""A text that begins with a dash, and what is said of arguments that cannot be read."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("text", ["-5°C", "-5°C is cold", "- and so on", "-", "−5", "-ly is a suffix"])
def test_a_text_may_begin_with_a_dash(run, configured, text):
    result = run("say", text, "--voice", "anna", input="from standard input")
    assert (result.exit_code, result.stderr) == (0, "")
    assert configured.texts() == [["from standard input" if text == "-" else text]]


def test_so_may_the_text_of_an_alignment_and_the_value_of_an_option(run, configured, home):
    (home / "a.wav").write_bytes(b"audio")
    assert run("align", "a.wav", "-5°C").exit_code == 0
    assert "-5°C".encode() in configured.requests[-1][1]
    assert run("say", "-5°C", "--instruct", "-5 is cold").exit_code == 0


def test_after_two_dashes_anything_is_a_text(run, configured):
    assert run("say", "--", "--voice").exit_code == 0
    assert configured.texts() == [["--voice"]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("say", "Hello.", "--voise", "x"), "No such option: --voise"),
        (("say", "-ly"), "a text that begins with a dash stands after --"),
        (("say",), "Missing argument 'TEXT|FILE|-'"),
        (("say", "a", "b"), "unexpected extra argument"),
        (("say", "a", "--format", "tape"), "'tape' is not one of"),
        (("frob",), "No such command 'frob'"),
        (("srv", "frob"), "No such command 'frob'"),
        (("--frob",), "No such option: --frob"),
        (("srv", "submit", "espeak"), "Missing option '--payload'"),
        (("srv", "submit", "espeak", "--payload", "{}", "--priority", "x"), "'--priority'"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_says_where_help_is(run, configured, arguments, says):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("skylark: ")
    assert says in result.stderr
    assert " --help` says what is possible" in result.stderr
    assert result.stderr.count("\n") == 1
    assert configured.requests == []


@pytest.mark.parametrize("arguments", [(), ("srv",), ("models",)], ids=str)
def test_a_group_alone_shows_its_help(run, arguments):
    assert "Commands:" in run(*arguments).output
