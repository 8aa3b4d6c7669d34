"""Two machines and a client at one table: who has a piece of work is one of them."""

from __future__ import annotations

import pytest

from servers.cloud.connection import CloudFailed
from servers.intake.leases import KEEP_S, LEASE_S, Leases
from servers.intake.outcomes import Back
from tests.intake.accepted import HERE, NOW

SOON = Back(30, "the queue is full")


def test_it_is_taken_once(accepted):
    id = accepted.accept()
    seen = accepted.work(id)
    taken = accepted.leases.take(seen, NOW)
    assert (taken.attempts, taken.item["taken_by"]) == (1, HERE)
    assert accepted.elsewhere().take(seen, NOW) is None
    assert accepted.leases.take(seen, NOW) is None
    assert accepted.waiting()[id] | {"kind": "waiting"} == dict(taken.item)
    assert accepted.waiting()[id]["lease_until"] == NOW + LEASE_S


def test_what_was_withdrawn_meanwhile_is_not_taken(accepted):
    seen = accepted.work(accepted.accept())
    accepted.withdraw(seen.id)
    assert accepted.leases.take(seen, NOW) is None
    assert accepted.waiting() == {}, "and no item is made of it"


def test_a_lease_that_was_renewed_since_it_was_read_is_not_over(accepted):
    taken = accepted.taken(accepted.accept())
    seen = accepted.work(taken.id)
    assert accepted.leases.renew(taken, NOW + LEASE_S)
    assert accepted.elsewhere().take(seen, NOW + LEASE_S + 1) is None


def test_a_lease_that_is_over_is_anothers_and_the_first_cannot_end_or_keep_it(accepted):
    first = accepted.taken(accepted.accept())
    second = accepted.elsewhere().take(accepted.work(first.id), NOW + LEASE_S + 1)
    assert second.attempts == 2
    assert not accepted.leases.renew(first, NOW + LEASE_S + 2)
    assert not accepted.leases.end(first, {"status": "done"}, NOW)
    assert not accepted.leases.give_back(first, SOON, NOW)
    assert accepted.ended() == {}
    assert accepted.elsewhere().end(second, {"status": "done"}, NOW)


def test_the_next_process_of_a_machine_takes_over_what_the_last_one_left(accepted):
    left = accepted.taken(accepted.accept())
    next_one = Leases(accepted.dynamodb, accepted.table_name, HERE)
    again = next_one.take(accepted.work(left.id), NOW + 1)
    assert again.attempts == 2
    assert not accepted.leases.end(left, {"status": "done"}, NOW), "the last one is not heard any more"


def test_what_was_given_back_waits_and_can_be_taken_again(accepted):
    taken = accepted.taken(accepted.accept())
    assert accepted.leases.give_back(taken, SOON, NOW)
    item = accepted.waiting()[taken.id]
    assert (item["status"], item["not_before"], item["why"]) == ("waiting", NOW + 30, "the queue is full")
    assert (item["failures"], item["renewals"]) == (0, 0)
    assert "taken_by" not in item
    assert not accepted.leases.end(taken, {"status": "done"}, NOW)
    assert accepted.taken(taken.id, NOW + 30).attempts == 2
    assert "not_before" not in accepted.waiting()[taken.id]


def test_failures_are_counted(accepted):
    id = accepted.accept()
    for _ in range(2):
        accepted.leases.give_back(accepted.taken(id), Back(1, "it was answered with 500", True, True), NOW)
    accepted.leases.give_back(accepted.taken(id), Back(1, "it was answered with 503", True), NOW)
    assert (accepted.work(id).failures, accepted.work(id).renewals) == (3, 2)


def test_an_end_moves_the_item_with_what_is_known_of_it(accepted):
    taken = accepted.taken(accepted.accept(path="/tts/v1/tts?x=1"))
    values = {"status": "done", "http_status": 200, "audio": {"0": 12}, "result_bytes": 5}
    assert accepted.leases.end(taken, values, NOW + 9)
    assert accepted.waiting() == {}
    ended = accepted.ended()[taken.id]
    assert (ended["owner"], ended["path"], ended["attempts"]) == ("alice", "/tts/v1/tts?x=1", 1)
    assert (ended["ended_at"], ended["expires_at"]) == (NOW + 9, NOW + 9 + KEEP_S)
    assert ended["audio"] == {"0": 12}
    assert not {"taken_by", "lease_until"} & ended.keys()


def test_it_ends_once(accepted):
    taken = accepted.taken(accepted.accept())
    assert accepted.leases.end(taken, {"status": "done"}, NOW)
    assert not accepted.leases.end(taken, {"status": "failed"}, NOW)
    assert accepted.ended()[taken.id]["status"] == "done"


def test_a_job_that_goes_from_machine_to_machine_ends_with_each(accepted):
    id = accepted.accept(work="job")
    for job_id in ("at the first", "at the second"):
        accepted.change(id, status="waiting", work="job", owner="alice")
        assert accepted.leases.end(accepted.taken(id), {"status": "moved", "job_id": job_id}, NOW)
        assert accepted.waiting() == {}
        assert accepted.ended()[id]["job_id"] == job_id


@pytest.mark.parametrize("attempts", [0, 3])
def test_an_item_may_say_its_attempts_or_not(accepted, attempts):
    assert accepted.taken(accepted.accept(attempts=attempts)).attempts == attempts + 1


def test_a_table_that_is_away_is_no_answer(accepted):
    taken = accepted.taken(accepted.accept())
    lost = Leases(accepted.dynamodb, "skylark-none", HERE)
    for asked in (
        lost.look,
        lambda: lost.renew(taken, NOW),
        lambda: lost.end(taken, {"status": "done"}, NOW),
        lambda: lost.give_back(taken, SOON, NOW),
        lambda: lost.take(taken, NOW),
    ):
        with pytest.raises(CloudFailed, match="ResourceNotFound"):
            asked()
