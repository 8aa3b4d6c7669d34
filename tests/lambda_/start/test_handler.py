"""The function against moto's AWS: a start from the first request to the first that is served."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.holds import Holds
from appliance.releasing import HELD, ID, KIND, LEASE
from appliance.routes import Lead
from appliance.table import LEDGER
from start import handler
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import HOLDS, OWNER, desired_capacity
from tests.lambda_.start.running import DESIRE, START, an_empty_group, an_instance_that_is_off

aws = fixtures.aws


@pytest.fixture
def off(aws):
    return an_instance_that_is_off(aws)


@pytest.fixture
def fleet(aws):
    return an_empty_group(aws)


def test_a_start_goes_from_stage_to_stage_until_it_is_ready(off):
    status, told = off.http("POST", "/machine/start", {"why": "a demonstration"})
    assert (status, told["state"], told["stage"]) == (202, "starting", "boot")
    assert (told["asked_by"], told["why"]) == (OWNER, "a demonstration")
    assert off.cloud.state() == "running"
    began = off.cloud.now
    for stage, after in (("boot", "image"), ("image", "model"), ("model", "audio")):
        off.cloud.now += 30
        off.boots(**{f"{stage}_at": off.cloud.now - 1})
        assert off.http("GET", "/machine")[1]["stage"] == after
        assert off.leads() == {Lead.RECEPTION}
    off.cloud.now += 30
    off.boots(audio_at=off.cloud.now)
    told = off.http("GET", "/machine")[1]
    assert (told["state"], told["stage"], told["left_s"], told["fault"]) == ("ready", None, None, None)
    assert [stage["state"] for stage in told["stages"]] == ["done"] * 5
    assert [stage["seconds"] for stage in told["stages"][2:]] == [30, 30, 31]
    assert off.leads() == {Lead.MACHINE}
    assert off.events() == ["start_asked", "start_ready"]
    ready = off.ledger()[-1]
    assert ready["at"] == pytest.approx(began + 120)
    assert (ready["type"], ready["zone"], ready["spot"]) == ("g5.xlarge", "eu-central-1a", False)


def test_a_start_in_a_group_fills_it(fleet):
    status, told = fleet.http("POST", "/machine/start")
    assert (status, told["state"]) == (202, "starting")
    assert desired_capacity(fleet.cloud) == 1
    fleet.launch(fleet.id())
    fleet.tick()
    fleet.boots_whole()
    assert fleet.tick()["state"] == "ready"
    assert fleet.cloud.called.count(DESIRE) == 1


def test_whoever_asks_holds_it_before_anything_else_is_done(off):
    off.http("POST", "/machine/start", {"hold_s": 1200, "why": "a talk"})
    first = next(call for call in off.cloud.called if not call.startswith("ssm.Get"))
    assert first == "ssm.PutParameter"
    (hold,) = Holds(off.cloud.outside("ssm"), HOLDS).all()
    assert (hold.by, hold.until, hold.why) == (OWNER, off.cloud.now + 1200, "a talk")


def test_a_longer_hold_of_the_same_holder_is_not_shortened(off):
    off.http("POST", "/machine/hold", {"for_s": 7200})
    off.http("POST", "/machine/start", {"hold_s": 60})
    (hold,) = Holds(off.cloud.outside("ssm"), HOLDS).all()
    assert hold.until == off.cloud.now + 7200


def test_two_starts_at_once_join(off):
    off.http("POST", "/machine/start", {"why": "a demonstration"})
    status, told = off.invoke(do="start", by="anna", why="a talk"), off.http("GET", "/machine")[1]
    assert status["asked_by"] == told["asked_by"] == OWNER
    assert {hold["by"] for hold in told["holds"]} == {OWNER, "anna"}
    assert off.cloud.called.count(START) == 1
    assert off.events() == ["start_asked"]


def test_a_start_that_comes_while_another_is_written_joins_it(off):
    def meanwhile(count):
        if count == 1:
            other = an_other(off)
            other.invoke(do="start", by="anna", why="a talk")

    off.cloud.before("dynamodb.PutItem", meanwhile)
    told = off.invoke(do="start", by=OWNER, why="a demonstration")
    assert (told["state"], told["asked_by"]) == ("starting", "anna")
    assert off.cloud.called.count(START) == 1
    assert off.events() == ["start_asked"]


def an_other(starting):
    """Another function at the same time: it is not in the way of the first one's hooks."""
    starting.cloud.before("dynamodb.PutItem", lambda _: None)
    return starting


def test_who_asks_for_a_machine_that_is_ready_is_told_so(off):
    off.becomes_ready()
    status, told = off.http("POST", "/machine/start")
    assert (status, told["state"]) == (200, "ready")
    assert off.cloud.called.count(START) == 1


def test_a_ready_machine_says_how_it_is_used_and_when_it_stops(off):
    off.becomes_ready()
    for minutes in range(3):
        at = off.cloud.now + 60 * minutes
        for name, value in (("Heartbeat", 1), ("ActiveRequests", 0), ("LastRequestAt", off.cloud.now)):
            off.cloud.publish(name, value, at)
    off.cloud.now += 120
    told = off.http("GET", "/machine")[1]
    assert (told["active"], told["idle_s"]) == (0, 120)
    assert told["stops_at"] == pytest.approx(off.cloud.now + 780, abs=1)
    off.http("POST", "/machine/hold", {"for_s": 7200})
    assert off.http("GET", "/machine")[1]["stops_at"] == pytest.approx(off.cloud.now + 7200, abs=1)
    off.cloud.publish("ActiveRequests", 3, off.cloud.now)
    told = off.http("GET", "/machine")[1]
    assert (told["active"], told["stops_at"]) == (3, None)


def test_a_machine_that_is_off_says_why(off):
    off.becomes_ready()
    assert off.http("POST", "/machine/stop", {"why": "it is evening", "force": True})[0] == 202
    told = off.http("GET", "/machine")[1]
    assert (told["state"], told["asked_by"]) == ("off", None)
    assert told["stopped"] == {"at": off.cloud.now, "by": OWNER, "why": "it is evening"}
    assert {stage["state"] for stage in told["stages"]} == {"waiting"}


def test_the_ledger_has_what_was_done_and_what_it_cost(off):
    off.becomes_ready()
    off.cloud.now += 3600
    off.http("POST", "/machine/stop", {"force": True})
    status, told = off.http("GET", "/machine/ledger", query="days=2")
    assert status == 200
    assert [entry["event"] for entry in told["entries"]] == ["start_asked", "start_ready", "stopped"]
    assert told["totals"]["cost"]["dollars"] > 0
    assert off.invoke(do="ledger")["entries"] == told["entries"]


def test_a_status_says_what_the_machine_costs(off):
    off.cloud.now = datetime(2030, 1, 15, 12, tzinfo=UTC).timestamp() + 0.5
    off.becomes_ready()
    off.cloud.now += 3600
    told = off.http("GET", "/machine")[1]
    assert told["price_per_hour"] > 0.5
    assert told["cost"]["month"] == pytest.approx(told["price_per_hour"] * 3840 / 3600, rel=0.01)
    assert set(told["cost"]) == {"today", "month", "saved_month"}


def published(cloud):
    found = cloud.outside("cloudwatch").list_metrics(Namespace="Skylark")["Metrics"]
    assert all(metric["Dimensions"] == [{"Name": "Appliance", "Value": "speech"}] for metric in found)
    return {metric["MetricName"] for metric in found}


def ran_s(cloud):
    found = cloud.outside("cloudwatch").get_metric_statistics(
        Namespace="Skylark",
        MetricName="RunningSeconds",
        Dimensions=[{"Name": "Appliance", "Value": "speech"}],
        StartTime=datetime.fromtimestamp(cloud.now - 3600, UTC),
        EndTime=datetime.fromtimestamp(cloud.now + 60, UTC),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    return [point["Maximum"] for point in sorted(found, key=lambda point: point["Timestamp"])]


def test_a_tick_publishes_how_long_it_runs_and_what_it_costs(off):
    off.tick()
    off.becomes_ready()
    off.tick(60)
    assert ran_s(off.cloud) == pytest.approx([0, 240, 300], abs=1)
    assert published(off.cloud) == {"RunningSeconds", "CostToday", "CostMonth", "SavedMonth"}


def test_what_could_not_be_published_is_left_to_the_next_tick(off):
    off.accept_work("a")
    off.cloud.refuse("cloudwatch.PutMetricData", "Throttling")
    assert "Throttling" in off.tick()["fault"]
    assert off.cloud.state() == "running"


def test_what_is_usual_is_the_median_of_the_last_starts(off):
    for number in range(12):
        entry = {"event": "start_ready", "at": number, "seconds": {"boot": 10.0 * number}}
        off.cloud.table().put({"kind": LEDGER, "id": f"2026-01-01T00:00:{number:02}#x"} | entry)
    told = off.http("GET", "/machine")[1]
    usual = {stage["stage"]: stage["usual_s"] for stage in told["stages"]}
    assert usual == {"capacity": 20, "boot": 65, "image": 60, "model": 60, "audio": 15}


def test_the_time_that_is_left_shrinks_with_each_stage(off):
    left = [off.http("POST", "/machine/start")[1]["left_s"]]
    for stage in ("boot", "image", "model"):
        off.cloud.now += 10
        off.boots(**{f"{stage}_at": off.cloud.now})
        left.append(off.http("GET", "/machine")[1]["left_s"])
    assert left == [180, 135, 75, 15]
    off.answers = False
    off.cloud.now += 3600
    assert off.http("GET", "/machine")[1]["left_s"] == 5


def test_boot_times_from_a_former_start_or_the_future_do_not_count(off):
    off.boots(boot_at=off.cloud.now - 500, image_at=off.cloud.now - 400, audio_at=off.cloud.now - 300)
    off.invoke(do="start", by=OWNER, why="")
    off.cloud.now += 60
    assert off.tick()["state"] == "starting"
    off.boots(boot_at=off.cloud.now - 5, audio_at=off.cloud.now + 3600)
    told = off.http("GET", "/machine")[1]
    assert (told["state"], told["stage"]) == ("starting", "image")
    assert off.record().audio_at is None


def test_a_schedule_starts_and_holds_it(off):
    told = off.invoke(do="start", by="schedule", why="work hours", hold_s=28_800)
    assert (told["state"], told["asked_by"], told["why"]) == ("starting", "schedule", "work hours")
    assert told["holds"][0]["until"] == off.cloud.now + 28_800


def test_work_that_waits_starts_it_without_anybody_asking(off):
    off.accept_work("a")
    off.accept_work("b")
    assert off.tick()["state"] == "starting"
    told = off.http("GET", "/machine")[1]
    assert (told["waiting"], told["asked_by"], told["why"]) == (
        2,
        "reception",
        "2 pieces of accepted work wait",
    )


def test_work_that_is_not_whole_yet_starts_nothing(off):
    off.cloud.table().put({"kind": "waiting", "id": "a", "status": "uploading", "accepted_at": off.cloud.now})
    assert off.tick()["state"] == "off"


def test_rules_that_a_release_leads_are_left_to_it_until_its_lease_ends(off):
    off.becomes_ready()
    off.cloud.table().put({"kind": KIND, "id": ID, HELD: True, LEASE: off.cloud.now + 60})
    off.answers = False
    off.tick(after_s=59)
    assert off.leads() == {Lead.MACHINE}
    off.tick(after_s=2)
    assert off.leads() == {Lead.RECEPTION}


def test_a_machine_that_falls_silent_is_led_away_from_and_back(off):
    off.becomes_ready()
    off.answers = False
    off.tick(60)
    assert off.leads() == {Lead.RECEPTION}
    told = off.http("GET", "/machine")[1]
    assert (told["state"], told["fault"]["code"]) == ("ready", "silent")
    off.answers = True
    off.tick(60)
    assert off.leads() == {Lead.MACHINE}


def test_a_machine_that_somebody_started_by_hand_is_served_too(off):
    off.cloud.outside("ec2").start_instances(InstanceIds=[off.id()])
    off.launch(off.id())
    off.tick()
    off.boots_whole()
    assert off.tick()["state"] == "ready"
    assert off.leads() == {Lead.MACHINE}
    assert off.ledger()[0]["by"] == "somebody"
    assert off.ledger()[-1]["seconds"].keys() == {"boot", "image", "model", "audio"}


def test_one_line_of_json_says_what_was_done(off, capsys):
    off.http("POST", "/machine/start")
    (line,) = capsys.readouterr().out.splitlines()
    said = json.loads(line)
    assert (said["appliance"], said["by"], said["path"], said["status"]) == (
        "speech",
        OWNER,
        "/machine/start",
        202,
    )


def test_aws_calls_it_with_an_environment_and_a_context(off, monkeypatch):
    for name, value in off.cloud.variables.items():
        monkeypatch.setenv(name, value)
    assert handler.handler({"do": "tick"}, None) == {"state": "off", "did": []}
