"""skylark gpu ledger: what the machine's ledger says, as people read it, made by the code that AWS runs."""

from __future__ import annotations

import json
import time

import pytest

from appliance.prices import Price, Prices
from appliance.totals import totals
from servers.cli import ledger_text
from tests.lambda_.appliance.a_ledger import HOUR, NOW, PRICES, a_run, a_start, a_stop, entry

from .stand_in_machine import Machine

T = NOW - 20 * HOUR
RUNS = [
    *a_run(T, 2.0, audio_s=5400.0, work_s=3600.0, disk_gb=100.0),
    *a_run(T + 4 * HOUR, 1.5, by="ben", why="a demonstration", type="p5.48xlarge"),
    *a_start(T + 10 * HOUR),
    entry("stop_refused", T + 11 * HOUR, by="maria"),
    *a_run(T + 14 * HOUR, 0.5, spot=True),
    {"event": "stopped"},
]


@pytest.fixture
def machine(server, home) -> Machine:
    server.machine = Machine()
    server.machine.ledger = {"entries": RUNS, "left_out": 0, "totals": totals(RUNS, PRICES, NOW)}
    (home / "server_config.json").write_text(json.dumps({"server_url": f"{server.url}/tts"}))
    return server.machine


def test_each_run_is_a_line_with_what_it_was_for_and_what_it_cost(run, machine):
    lines = [" ".join(line.split()) for line in run("gpu", "ledger").stdout.splitlines()]
    begun = time.strftime("%H:%M", time.localtime(T + 14 * HOUR + 20))
    assert lines[0] == "begun ran for by ended cost"
    assert lines[1].endswith(f"{begun} 30 min chapter 3 maria no work for 900 s $0.20")
    assert "at least 59 min 40 s chapter 3 maria not known" in lines[2]
    assert lines[3].endswith("unknown")


def test_the_sums_are_said_and_an_unknown_price_is_in_none(run, machine):
    said = run("gpu", "ledger").stdout
    for line in (
        "  chapter 3        3 h 30 min\n",
        "  a demonstration  1 h 30 min\n",
        "  chapter 3, maria      3 times\n",
        "  a demonstration, ben  once\n",
        "  idle, auto_stop  3 times\n",
        "  not known        once\n",
        "  first audio  10 s as a rule, 10 s at the longest, of 4\n",
        "  g5.xlarge in eu-central-1, on demand    3 h, $2.99 ($1 an hour, a test's table, 1970-01-01)\n",
        "  p5.48xlarge in eu-central-1, on demand  1 h 30 min, unknown: no price is known\n",
        "cost: $3.19, without 1 h 30 min of unknown price\n",
        "an hour of audio: $1.33, of 1 h 30 min\n",
        "an hour of work: $2.00, of 1 h\n",
        "its disks of 100 GB while it was off: $0.16\n",
        "runs whose end nobody wrote: 1, counted until the machine was heard last\n",
        "entries left out: 1 unreadable\n",
    ):
        assert line in said


def test_the_days_are_asked_for_and_json_is_all_of_it(run, machine, server):
    answer = json.loads(run("gpu", "ledger", "--days", "7", "--json").stdout)
    assert answer["asked"] == "days=7"
    assert answer["totals"]["hours"]["on"] == pytest.approx(5.0, abs=0.01)


def test_days_are_at_least_one(run, machine):
    assert run("gpu", "ledger", "--days", "0").exit_code == 2


def test_a_machine_that_never_ran(run, machine):
    machine.ledger = {"entries": [], "left_out": 0, "totals": totals([], PRICES, NOW)}
    assert run("gpu", "ledger").stdout.splitlines()[0] == "the machine did not run"


def test_what_an_aws_refused_is_said(run, machine):
    note = "pricing:GetProducts: AccessDeniedException: the table's prices are used"
    machine.ledger["totals"] = totals(RUNS, PRICES.with_rows((), [note]), NOW)
    assert f"{note}\n" in run("gpu", "ledger").stdout


def test_a_little_is_not_nothing():
    free = Prices((Price("g5.xlarge", "eu-central-1", False, 0.001, 0.0, "a test's"),))
    (row,) = ledger_text.run_rows(totals([*a_start(T), a_stop(T + HOUR)], free, NOW)["runs"], NOW)
    assert row[-1] == "less than $0.01"


@pytest.mark.parametrize("answer", [{}, {"totals": None}, {"totals": {"runs": [{"hours": 1.0}]}}])
def test_what_is_no_ledger_is_said(run, machine, answer):
    machine.ledger = answer
    result = run("gpu", "ledger")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("skylark: what the machine answered is no ledger: ")
