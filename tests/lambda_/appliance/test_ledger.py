"""The ledger in moto's table: written, read and answered."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance import ledger
from appliance.table import LEDGER
from tests.lambda_ import aws as fixtures
from tests.lambda_.appliance.a_ledger import HOUR, MACHINE, NOW, PRICES, STAGES, a_run

aws, idle = fixtures.aws, fixtures.idle
DAY = 24 * HOUR


@pytest.fixture
def table(aws):
    return aws.table()


def write_a_run(table, at, hours=1.0):
    ledger.write(table, "start_asked", at, by="maria", why="chapter 3")
    ledger.write(table, "start_ready", at + 180, seconds=STAGES, purpose="chapter 3", **MACHINE)
    ledger.write(
        table, "stopped", at + 20 + hours * HOUR, by="auto_stop", reason="idle", ran_s=hours * HOUR,
        audio_s=1800.5, **MACHINE,
    )  # fmt: skip


def test_an_entry_is_read_as_it_was_written(table):
    ledger.write(table, "start_ready", NOW + 0.25, seconds={"boot": 61.5}, spot=False, why=None, dollars=0.53)
    (entry,) = ledger.read(table, NOW, NOW + 1)
    id = entry.pop("id")
    assert id.startswith("2026-11-30T12:00:00.250Z#")
    assert len(id.partition("#")[2]) == 6
    assert entry == {
        "kind": LEDGER, "event": "start_ready", "at": NOW + 0.25, "seconds": {"boot": 61.5}, "spot": False,
        "dollars": 0.53,
    }  # fmt: skip


def test_the_same_entry_written_twice_is_one(table):
    for _ in range(2):
        ledger.write(table, "hold", NOW, by="maria")
    ledger.write(table, "hold", NOW, by="ben")
    assert len(ledger.read(table, NOW, NOW)) == 2


def test_an_event_that_the_ledger_does_not_know_is_refused(table):
    with pytest.raises(ValueError, match="started is no event of the ledger; there are start_asked, "):
        ledger.write(table, "started", NOW)


def test_it_is_read_in_the_order_of_time_and_between_two_moments(table):
    for at in (NOW, NOW - 10, NOW + 10, NOW - 20):
        ledger.write(table, "hold", at)
    assert [entry["at"] for entry in ledger.read(table, NOW - 10, NOW)] == [NOW - 10, NOW]


def test_of_too_many_the_newest_are_read(table, monkeypatch):
    monkeypatch.setattr(ledger, "MOST_ENTRIES", 3)
    for back in range(5):
        ledger.write(table, "hold", NOW - back)
    assert [entry["at"] for entry in ledger.read(table, NOW - 60, NOW)] == [NOW - 2, NOW - 1, NOW]


def test_the_answer_has_the_entries_and_their_sums(table):
    write_a_run(table, NOW - 40 * DAY)
    write_a_run(table, NOW - 2 * DAY, 2.0)
    answer = ledger.answer(table, PRICES, 31, NOW)
    assert [entry["event"] for entry in answer["entries"]] == ["start_asked", "start_ready", "stopped"]
    assert "kind" not in answer["entries"][0]
    assert answer["totals"]["cost"]["dollars"] == pytest.approx(2.0)
    assert answer["totals"]["audio"]["dollars_per_hour"] == pytest.approx(2.0 / (1800.5 / HOUR))
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_a_run_that_began_before_the_days_reaches_into_them(table):
    write_a_run(table, NOW - 30 * HOUR, 20.0)
    answer = ledger.answer(table, PRICES, 1, NOW)
    assert answer["totals"]["since"] == NOW - DAY
    assert answer["totals"]["hours"]["on"] == pytest.approx(14.0, abs=0.01)


def test_of_too_many_entries_the_newest_are_shown_and_all_are_summed(table, monkeypatch):
    monkeypatch.setattr(ledger, "SHOWN_ENTRIES", 2)
    write_a_run(table, NOW - 2 * HOUR)
    answer = ledger.answer(table, PRICES, 1, NOW)
    assert ([entry["event"] for entry in answer["entries"]], answer["left_out"]) == (
        ["start_ready", "stopped"],
        1,
    )
    assert answer["totals"]["hours"]["on"] == pytest.approx(1.0)


def test_what_somebody_wrote_by_hand_is_counted_as_unreadable(table):
    table.put({"kind": LEDGER, "id": ledger.moment(NOW - 5), "note": "terminated by me"})
    assert ledger.answer(table, PRICES, 1, NOW)["totals"]["ignored"]["unreadable"] == 1


@pytest.mark.parametrize("text", ["0", "367", "-1", "1.5", "", "a", "٣", "9" * 5000])
def test_days_are_a_number_from_1_to_366(text):
    with pytest.raises(ledger.BadDays, match="days is a number from 1 to 366"):
        ledger.days_of(text)


def test_a_year_of_days_will_do():
    assert ledger.days_of("366") == 366


def test_more_entries_than_are_read_are_told(table, monkeypatch):
    monkeypatch.setattr(ledger, "MOST_ENTRIES", 3)
    write_a_run(table, NOW - 2 * HOUR)
    notes = ledger.answer(table, PRICES, 1, NOW)["totals"]["notes"]
    assert notes == ["the oldest entries are not counted: there are over 3"]


def test_an_answer_fits_into_what_a_function_may_answer(table, monkeypatch):
    entries = []
    for number in range(1500):
        why = f"{number:04} " + "ü" * 295  # as long as a reason may be
        entries += a_run(NOW - (1600 - number) * HOUR, 0.5, by="b" * 100, why=why)
        entries[-1] |= {"why": why, "purpose": why, "reason": ""}
    monkeypatch.setattr(ledger, "read", lambda *_: entries)
    answer = ledger.answer(table, PRICES, 366, NOW)
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < 1_000_000
    totals = answer["totals"]
    assert sum(totals["hours_by_purpose"].values()) == pytest.approx(totals["hours"]["on"])
    assert sum(each["count"] for each in totals["why_started"]) == 1500
    assert sum(each["count"] for each in totals["why_stopped"]) == 1500


def test_a_stop_says_how_much_was_spoken_and_heard(idle):
    for back_s, seconds in ((3600, 90.0), (3500, 30.5)):
        idle.publish("AudioSeconds", seconds, idle.now - back_s)
    assert idle.run()["did"] == "stop"
    (stopped,) = [entry for entry in idle.table().all(LEDGER) if entry["event"] == "stopped"]
    assert stopped["audio_s"] == 120.5
