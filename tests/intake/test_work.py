"""Which work may be taken, and in which order."""

from __future__ import annotations

import pytest

from servers.intake.work import Work, fault_of, may_be_taken, next_look_s, next_works

NOW = 1_764_000_000.0
HERE = "i-1/here"


def item(id: str = "1", **values) -> dict:
    return {"id": id, "status": "waiting", "priority": 10, "accepted_at": NOW - 100, **values}


def order(*items: dict, in_hand: tuple[str, ...] = ()) -> list[str]:
    return [work.id for work in next_works(items, in_hand, HERE, NOW)]


def test_the_most_urgent_is_first_and_of_these_the_oldest():
    works = [
        item("late", accepted_at=NOW - 1),
        item("urgent", priority=0, accepted_at=NOW),
        item("early", accepted_at=NOW - 200),
        item("patient", priority=50, accepted_at=NOW - 900),
    ]
    assert order(*works) == ["urgent", "early", "late", "patient"]


def test_what_was_accepted_at_the_same_time_has_an_order_too():
    assert order(item("b"), item("c"), item("a")) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("values", "may"),
    [
        ({}, True),
        ({"status": "uploading"}, False),
        ({"not_before": NOW + 1}, False),
        ({"not_before": NOW}, True),
        ({"status": "taken", "taken_by": "i-2/elsewhere", "lease_until": NOW + 1}, False),
        ({"status": "taken", "taken_by": "i-2/elsewhere", "lease_until": NOW}, False),
        ({"status": "taken", "taken_by": "i-2/elsewhere", "lease_until": NOW - 1}, True),
        ({"status": "taken", "taken_by": HERE, "lease_until": NOW + 100}, True),
        ({"status": "taken"}, True),
    ],
)
def test_a_piece_of_work_may_be_taken_unless_another_has_it_or_it_is_not_its_time(values, may):
    assert may_be_taken(item(**values), (), HERE, NOW) is may


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "waiting"}, "it has no id and no status"),
        ({"id": "1"}, "it has no status"),
        (item(status=1), "what it has as status is none"),
        (item(priority="0", headers="x"), "what it has as priority, headers is none"),
        (item(accepted_at=None), "what it has as accepted_at is none"),
    ],
)
def test_an_item_that_is_no_work_says_why(wrong, said):
    assert fault_of(wrong) == said


def test_an_item_that_is_work_has_no_fault():
    assert fault_of(item()) is None
    assert fault_of({"id": "1", "status": "waiting"}) is None


def test_what_is_in_hand_is_not_taken_twice():
    assert order(item("1", status="taken", taken_by=HERE), item("2"), in_hand=("1",)) == ["2"]


def test_it_is_looked_rarely_while_nothing_waits():
    assert next_look_s([], (), 15, 2) == 15
    assert next_look_s([item(status="uploading")], (), 15, 2) == 15
    assert next_look_s([item()], (), 15, 2) == 2
    assert next_look_s([], ("1",), 15, 2) == 2


def test_the_clients_own_key_names_the_work_and_else_its_id_does():
    assert Work.of(item("7")).key == "accepted-7"
    assert Work.of(item("7", headers={"idempotency-key": "chapter-1"})).key == "chapter-1"


def test_what_is_computed_anew_has_another_name_each_time():
    again = [Work.of(item("7", headers={"idempotency-key": "chapter-1"}, renewals=n)).key for n in (1, 2)]
    assert again == ["accepted-7-1", "accepted-7-2"]


def test_what_an_item_does_not_say_is_what_most_work_is():
    work = Work.of({"id": "1"})
    assert (work.kind, work.owner, work.priority, work.attempts) == ("request", None, 10, 0)
