"""The loop: what it takes and in which order, what it says of the end, and what is left when it is killed."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from servers.cloud.changes import Changes
from servers.cloud.connection import CloudFailed
from servers.intake.intake import AWAY_PAUSE_S, BUSY_S, IDLE_S, RENEW_S, Intake
from servers.intake.leases import LEASE_S, Leases
from servers.intake.outcomes import Back, Done, Failed, Outcome, judge
from servers.intake.work import Work
from tests.intake.accepted import HERE, NOW, Accepted

WITHIN_S = 20.0


@dataclass
class Doer:
    """Does what the test says, as soon as it lets it."""

    accepted: Accepted
    outcome: Callable[[Work], Outcome | Exception]
    done: list[str] = field(default_factory=list)
    ready: bool = True
    gate: threading.Event = field(default_factory=threading.Event)
    asked_whether_ready: list[str] = field(default_factory=list)
    when_asked: Callable[[], object] = lambda: None

    def asked(self, work: Work) -> str:
        return "tts"

    def is_ready(self, work: Work) -> bool:
        self.asked_whether_ready.append(work.id)
        self.when_asked()
        return self.ready

    def do(self, work: Work) -> Outcome:
        self.done.append(work.id)
        assert self.gate.wait(WITHIN_S)
        outcome = self.outcome(work)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@dataclass
class Machine:
    accepted: Accepted
    doer: Doer
    now: float = NOW
    intakes: list[Intake] = field(default_factory=list)

    def intake(
        self, at_once: int = 8, leases: Leases | None = None, is_live: Callable[[], bool] = lambda: True
    ) -> Intake:
        made = Intake(
            leases or self.accepted.leases,
            self.accepted.objects,
            {"request": self.doer},
            Changes("intake"),
            is_live=is_live,
            at_once=at_once,
            clock=lambda: self.now,
        )
        self.intakes.append(made)
        return made

    def work_off(self, intake: Intake, rounds: int = 30) -> None:
        """Until nothing is in hand and nothing was taken."""
        for _ in range(rounds):
            intake.step()
            if not intake._in_hand:
                return
            intake._hear(WITHIN_S)
        raise AssertionError("it does not end")


@pytest.fixture
def machine(accepted) -> Iterator[Machine]:
    def kept(work: Work) -> Done:
        return accepted.objects.keep(work, io.BytesIO(b"RIFF"), Done(200, "audio/wav", 4))

    doer = Doer(accepted, kept)
    doer.gate.set()
    made = Machine(accepted, doer)
    yield made
    doer.gate.set()
    for intake in made.intakes:
        while intake._in_hand:
            intake._hear(WITHIN_S)


def test_work_is_done_its_end_is_told_and_its_body_removed(machine, accepted):
    id = accepted.accept(owner="bob")
    machine.work_off(machine.intake())
    assert accepted.waiting() == {}
    ended = accepted.ended()[id]
    assert (ended["status"], ended["http_status"], ended["content_type"]) == ("done", 200, "audio/wav")
    assert (ended["result_key"], ended["result_bytes"], ended["owner"]) == (f"results/{id}", 4, "bob")
    assert accepted.keys() == [f"results/{id}"]


def test_what_failed_ends_with_its_error(machine, accepted):
    id = accepted.accept()
    machine.doer.outcome = lambda _: Failed(422, {"code": "unknown_voice", "message": "there is none"})
    machine.work_off(machine.intake())
    ended = accepted.ended()[id]
    assert (ended["status"], ended["http_status"]) == ("failed", 422)
    assert ended["error"] == {"code": "unknown_voice", "message": "there is none"}


def test_the_most_urgent_is_taken_first_whenever_there_is_room(machine, accepted):
    order = [accepted.accept(priority=priority) for priority in (30, 10, 20, 0)]
    machine.work_off(machine.intake(at_once=1))
    assert machine.doer.done == [order[3], order[1], order[2], order[0]]


def test_no_more_is_in_hand_than_there_is_room_for(machine, accepted):
    machine.doer.gate.clear()
    for _ in range(5):
        accepted.accept()
    intake = machine.intake(at_once=2)
    assert intake.step() == BUSY_S
    assert intake.step() == RENEW_S, "with its hands full it need not look"
    taken = [item for item in accepted.waiting().values() if item["status"] == "taken"]
    assert len(taken) == 2


def test_what_passes_is_tried_again_in_its_time(machine, accepted):
    id = accepted.accept()
    outcomes = iter([Back(30, "the queue is full"), Failed(422, {"code": "x", "message": ""})])
    machine.doer.outcome = lambda _: next(outcomes)
    intake = machine.intake()
    machine.work_off(intake)
    machine.now += 29
    machine.work_off(intake)
    assert machine.doer.done == [id]
    machine.now += 1
    machine.work_off(intake)
    assert machine.doer.done == [id, id]
    assert accepted.ended()[id]["attempts"] == 2


def test_nothing_is_taken_while_its_door_is_not_ready(machine, accepted):
    id = accepted.accept()
    machine.doer.ready = False
    intake = machine.intake()
    assert intake.step() == BUSY_S
    assert "attempts" not in accepted.waiting()[id]
    machine.doer.ready = True
    machine.work_off(intake)
    assert list(accepted.ended()) == [id]


def test_a_door_is_asked_once_in_a_look_whatever_paths_wait_for_it(machine, accepted):
    for number in range(5):
        accepted.accept(f"/v1/text-to-speech/{number}")
    machine.doer.ready = False
    machine.intake().step()
    assert len(machine.doer.asked_whether_ready) == 1


def test_nothing_more_is_taken_once_it_is_stopped(machine, accepted):
    for _ in range(3):
        accepted.accept()
    intake = machine.intake()
    machine.doer.gate.clear()
    machine.doer.when_asked = intake.stop
    intake.step()
    assert len([item for item in accepted.waiting().values() if item["status"] == "taken"]) <= 1


def test_a_place_that_does_not_serve_takes_nothing_and_ends_what_it_has(machine, accepted):
    live = True
    first = accepted.accept()
    intake = machine.intake(is_live=lambda: live)
    machine.doer.gate.clear()
    intake.step()
    second = accepted.accept()
    live = False
    assert intake.step() == IDLE_S
    machine.doer.gate.set()
    intake._hear(WITHIN_S)
    assert list(accepted.ended()) == [first]
    assert accepted.waiting()[second]["status"] == "waiting"
    live = True
    machine.work_off(intake)
    assert set(accepted.ended()) == {first, second}


def test_an_item_that_is_no_work_is_left_logged_once_and_the_rest_is_done(machine, accepted, caplog):
    odd, known = accepted.accept(), accepted.accept()
    accepted.change(odd, status=None)
    intake = machine.intake()
    machine.work_off(intake)
    machine.work_off(intake)
    assert (list(accepted.waiting()), list(accepted.ended())) == ([odd], [known])
    said = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert said == [f"{odd} in the table is no work: it has no status"]


def test_work_of_a_kind_that_is_not_known_is_left_and_the_rest_done(machine, accepted):
    unknown, known = accepted.accept(work="dubbing"), accepted.accept()
    machine.work_off(machine.intake())
    assert (list(accepted.waiting()), list(accepted.ended())) == ([unknown], [known])


def test_a_result_that_was_stored_before_a_kill_is_not_made_again(machine, accepted):
    id = accepted.accept()
    killed = accepted.taken(id)
    accepted.objects.keep(killed, io.BytesIO(b"first"), Done(206, "audio/mpeg", 5))
    machine.work_off(machine.intake())
    assert machine.doer.done == []
    ended = accepted.ended()[id]
    assert (ended["http_status"], ended["result_bytes"], ended["attempts"]) == (206, 5, 2)


def test_what_another_machine_left_behind_is_taken_once_its_lease_is_over(machine, accepted):
    id = accepted.accept()
    accepted.elsewhere().take(accepted.work(id), NOW)
    intake = machine.intake()
    machine.work_off(intake)
    assert machine.doer.done == []
    machine.now += LEASE_S + 1
    machine.work_off(intake)
    assert list(accepted.ended()) == [id]


def test_leases_are_renewed_while_the_work_is_done(machine, accepted):
    machine.doer.gate.clear()
    id = accepted.accept()
    intake = machine.intake()
    for _ in range(4):
        intake.step()
        machine.now += RENEW_S
    intake.step()
    assert accepted.waiting()[id]["lease_until"] == machine.now + LEASE_S
    assert accepted.waiting()[id]["attempts"] == 1


def test_a_lease_that_was_lost_is_no_longer_in_hand_and_its_result_counts_for_nothing(machine, accepted):
    machine.doer.gate.clear()
    id = accepted.accept()
    intake = machine.intake()
    intake.step()
    other = accepted.elsewhere().take(accepted.work(id), NOW + LEASE_S + 1)
    machine.now += LEASE_S + 1
    intake.step()
    assert intake._in_hand == {}
    machine.doer.gate.set()
    intake._hear(WITHIN_S)
    assert accepted.ended() == {}
    assert accepted.elsewhere().end(other, {"status": "done"}, NOW)


def test_when_it_is_stopped_what_is_in_hand_waits_again_at_once(machine, accepted):
    machine.doer.gate.clear()
    id = accepted.accept()
    intake = machine.intake()
    intake.step()
    intake.stop()
    intake.run()
    item = accepted.waiting()[id]
    assert (item["status"], item["not_before"], item["failures"]) == ("waiting", NOW, 0)
    machine.doer.gate.set()
    machine.work_off(machine.intake())
    assert accepted.ended()[id]["status"] == "done"


def test_a_defect_is_logged_and_tried_a_few_times(machine, accepted, caplog):
    id = accepted.accept()
    machine.doer.outcome = lambda _: ZeroDivisionError("a defect")
    intake = machine.intake()
    for _ in range(3):
        machine.work_off(intake)
        machine.now += 1000
    assert accepted.ended()[id]["error"]["code"] == "internal_error"
    defects = [record for record in caplog.records if record.__dict__.get("action") == "defect"]
    assert len(defects) == 3
    assert all(record.exc_info for record in defects)


def test_a_bucket_that_is_away_costs_the_work_nothing(machine, accepted):
    id = accepted.accept(failures=9)
    machine.doer.outcome = lambda _: CloudFailed("SlowDown")
    machine.work_off(machine.intake())
    item = accepted.waiting()[id]
    assert (item["failures"], item["why"], item["not_before"]) == (9, "AWS: SlowDown", NOW + AWAY_PAUSE_S)


def test_a_disk_that_is_full_costs_the_work_nothing(machine, accepted):
    id = accepted.accept(failures=9)
    machine.doer.outcome = lambda _: OSError(28, "No space left on device")
    machine.work_off(machine.intake())
    item = accepted.waiting()[id]
    assert (item["failures"], item["why"]) == (9, "this machine: No space left on device")


class Away(Leases):
    """The table is away where it is told to be."""

    away: frozenset[str] = frozenset()

    def __getattribute__(self, name: str) -> Any:
        if name in object.__getattribute__(self, "away"):
            raise CloudFailed("EndpointConnectionError")
        return super().__getattribute__(name)


def test_a_table_that_is_away_when_the_work_has_ended_is_told_later_and_nothing_is_done_twice(
    machine, accepted
):
    id = accepted.accept()
    leases = Away(accepted.dynamodb, accepted.table_name, HERE)
    leases.away = frozenset({"end"})
    intake = machine.intake(leases=leases)
    intake.step()
    intake._hear(WITHIN_S)
    assert list(accepted.waiting()) == [id]
    leases.away = frozenset()
    machine.now += AWAY_PAUSE_S
    machine.work_off(intake)
    assert machine.doer.done == [id]
    assert accepted.ended()[id]["attempts"] == 2


@pytest.mark.parametrize("fault", [CloudFailed("ValidationException"), TypeError("no number")])
@pytest.mark.parametrize("method", ["end", "give_back"])
def test_work_of_which_the_table_cannot_be_told_is_not_taken_again_for_a_while(
    machine, accepted, method, fault
):
    id = accepted.accept()
    outcome = Back(0.0, "busy") if method == "give_back" else Failed(422, {"code": "x", "message": ""})
    machine.doer.outcome = lambda _: outcome
    leases = Leases(accepted.dynamodb, accepted.table_name, HERE)
    setattr(leases, method, raising(fault))
    intake = machine.intake(leases=leases)
    machine.work_off(intake)
    assert machine.doer.done == [id]
    machine.now += AWAY_PAUSE_S - 1
    machine.work_off(intake)
    assert machine.doer.done == [id]
    machine.now += 1
    delattr(leases, method)
    machine.doer.outcome = lambda _: Failed(422, {"code": "x", "message": ""})
    machine.work_off(intake)
    assert machine.doer.done == [id, id]
    assert accepted.ended()[id]["status"] == "failed"


def raising(fault: Exception) -> Callable[..., None]:
    def raises(*_: object) -> None:
        raise fault

    return raises


def test_an_error_that_names_a_client_s_enormous_field_ends_the_work(machine, accepted):
    id = accepted.accept()
    machine.doer.outcome = lambda _: judge(
        422, {"code": "invalid_request", "message": "no such field", "param": "x" * 400_000}, None, 0
    )
    machine.work_off(machine.intake())
    assert accepted.ended()[id]["error"]["param"] == "x" * 200


def test_a_table_that_is_away_does_not_keep_the_machine_from_stopping(machine, accepted):
    machine.doer.gate.clear()
    for _ in range(3):
        accepted.accept()
    leases = Away(accepted.dynamodb, accepted.table_name, HERE)
    asked = []
    intake = machine.intake(leases=leases)
    intake.step()
    leases.give_back = lambda *_: asked.append(1) or _away()
    intake.stop()
    intake.run()
    assert len(asked) == 1


def _away() -> None:
    raise CloudFailed("EndpointConnectionError")


def test_a_table_that_is_away_is_asked_again_after_a_while_and_logged_once(machine, accepted, caplog):
    leases = Away(accepted.dynamodb, accepted.table_name, HERE)
    leases.away = frozenset({"look"})
    intake = machine.intake(leases=leases)
    assert [intake.step() for _ in range(3)] == [AWAY_PAUSE_S] * 3
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    leases.away = frozenset()
    assert intake.step() == IDLE_S
