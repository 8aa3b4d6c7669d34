"""Releases, against moto: whatever goes wrong, somebody serves, and at the end the old one or the new one."""

from __future__ import annotations

from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

pytest.importorskip("boto3", reason="boto3 is not installed")
pytest.importorskip("moto", reason="moto is not installed")

from appliance.releasing import holds_rules
from appliance.table import Table
from release.faults import Refused, ReleaseFault, TakenOver, Undone
from release.machine import Machine

from .appliance import BEGIN, Appliance, Killed, appliance
from .host import BROKEN, GOOD, MUTE, OLD, SICK
from .made import TABLE

WRITE = "dynamodb.PutItem"
CHANGES = (WRITE, "ssm.SendCommand", "ssm.PutParameter", "lambda.Invoke", "elbv2.ModifyRule", "ecr.PutImage")
AFTER = {"live": "green", "blue": OLD, "green": GOOD}


@pytest.fixture(scope="module")
def _made():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        with appliance() as made:
            yield made


@pytest.fixture
def cloud(_made) -> Appliance:
    _made.anew()
    return _made


def changes(cloud: Appliance) -> list[tuple[str, int]]:
    """The calls that changed something, and which of its name each was; of writes in a row the last."""
    calls = [(name, cloud.called[: n + 1].count(name)) for n, name in enumerate(cloud.called)]
    made = [call for call in calls if call[0] in CHANGES]
    after = [name for name, _ in made[1:]] + [""]
    return [call for call, then in zip(made, after, strict=True) if then != call[0] or then != WRITE]


def the_old_one_serves(cloud: Appliance) -> bool:
    serves = cloud.everybody_goes_to() == "blue" and cloud.host.answers("blue", "/speak")
    return serves and cloud.parameter() == BEGIN and list(cloud.host.places) == ["blue"]


def the_new_one_serves(cloud: Appliance) -> bool:
    serves = cloud.everybody_goes_to() == "green" and cloud.host.answers("green", "/speak")
    return serves and cloud.parameter() == AFTER


def test_the_new_one_serves_and_the_old_one_has_ended(cloud):
    cloud.release(GOOD)
    assert the_new_one_serves(cloud)
    assert cloud.host.told == [f"skylark-place green {GOOD}", "skylark-place blue --drain"]
    assert cloud.ledger() == ["released"]
    assert cloud.kept == [f"served-{GOOD}"]


def test_it_holds_the_machine_and_lets_it_go(cloud):
    cloud.release(GOOD)
    assert [(event["do"], event["by"]) for event in cloud.asked] == [("hold", "release")] * 2
    assert cloud.asked[0]["for_s"] >= 3600
    assert cloud.asked[-1]["for_s"] == 0


def test_a_machine_that_is_off_is_started(cloud):
    cloud.anew(machine=False)
    cloud.release(GOOD)
    assert [event["do"] for event in cloud.asked if event["do"] != "status"] == ["hold", "start", "hold"]
    assert the_new_one_serves(cloud)


def test_the_first_release_of_all_has_nothing_to_end_or_to_go_back_to(cloud):
    cloud.anew(machine=False, before={"live": "blue", "blue": "", "green": ""})
    cloud.release(GOOD)
    assert cloud.parameter() == {"live": "green", "blue": "", "green": GOOD}
    assert cloud.everybody_goes_to() == "green"
    with pytest.raises(Refused, match="nothing to go back to"):
        cloud.release(back=True)


def test_back_starts_the_one_before_again(cloud):
    cloud.release(GOOD)
    cloud.release(back=True)
    assert cloud.everybody_goes_to() == "blue"
    assert list(cloud.host.places) == ["blue"]
    assert cloud.parameter() == {"live": "blue", "blue": OLD, "green": GOOD}
    cloud.release(back=True)
    assert the_new_one_serves(cloud)


def test_step_by_step_the_weights_rise_and_each_is_looked_at_for_the_pause(cloud):
    seen = []
    cloud.waits = lambda: seen.append((cloud.now, cloud.led()["tts"].get("green", 0)))
    cloud.release(GOOD, weights=(10, 50, 100), pause_s=60)
    assert [weight for weight in dict.fromkeys(weight for _, weight in seen) if weight] == [10, 50, 100]
    for weight in (10, 50):
        times = [at for at, seen_weight in seen if seen_weight == weight]
        assert 50 <= times[-1] - times[0] <= 60
    assert the_new_one_serves(cloud)


@pytest.mark.parametrize(
    ("image", "why"),
    [(MUTE, "does not speak"), (SICK, "is not ready after 60 s"), (BROKEN, "cannot be started")],
)
@pytest.mark.parametrize("in_place", [False, True])
def test_nobody_is_led_to_an_image_that_is_no_good(cloud, image, why, in_place):
    led = set()
    cloud.later = lambda *_: led.update(*(weights for weights in cloud.led().values()))
    with pytest.raises(Undone, match=why):
        cloud.release(image, in_place=in_place)
    cloud.later = lambda *_: None
    assert the_old_one_serves(cloud)
    assert not any(weights.get("green") for weights in cloud.led().values())
    assert in_place or led <= {"blue", "green"}


def test_more_errors_than_it_may_have_bring_the_clients_back(cloud):
    def waits():
        if cloud.led()["tts"].get("green") == 10:
            cloud.publish("green", requests=10, errors=1)
            cloud.publish("blue", requests=90, errors=0)

    cloud.waits = waits
    with pytest.raises(Undone, match="green at 10 of 100: 10% of its answers are errors, 5% may be"):
        cloud.release(GOOD, weights=(10, 100), pause_s=120)
    assert the_old_one_serves(cloud)


def test_errors_of_the_old_one_are_no_errors_of_the_new_one(cloud):
    cloud.waits = lambda: cloud.publish("blue", requests=10, errors=10)
    cloud.release(GOOD, weights=(10, 100), pause_s=120)
    assert the_new_one_serves(cloud)


def test_one_that_falls_ill_with_clients_loses_them(cloud):
    def waits():
        if cloud.led()["tts"].get("green"):
            cloud.host.places.pop("green").end()
            cloud.waits = lambda: None

    cloud.waits = waits
    with pytest.raises(Undone, match="not healthy any more"):
        cloud.release(GOOD)
    assert the_old_one_serves(cloud)


def test_in_place_the_old_one_ends_first_and_the_reception_takes_requests_meanwhile(cloud):
    cloud.anew(room=1)
    led = []
    cloud.later = lambda *_: led.append(cloud.led()["tts"])
    cloud.release(GOOD, in_place=True)
    cloud.later = lambda *_: None
    assert {"reception": 100} in led
    assert the_new_one_serves(cloud)
    assert cloud.host.told == ["skylark-place blue --drain", f"skylark-place green {GOOD}"]


def test_without_room_for_two_the_old_one_serves_on(cloud):
    cloud.anew(room=1)
    with pytest.raises(Undone, match="out of memory"):
        cloud.release(GOOD)
    assert the_old_one_serves(cloud)


def test_without_capacity_it_is_given_up_and_nothing_has_changed(cloud):
    cloud.anew(machine=False)
    cloud.capacity = False
    with pytest.raises(Undone, match=r"no machine runs after 60 s: starting: capacity: no g5.xlarge"):
        cloud.release(GOOD)
    assert cloud.everybody_goes_to() == "reception"
    assert cloud.parameter() == BEGIN


def test_what_the_start_function_refuses_is_told(cloud):
    with pytest.raises(ReleaseFault, match=r"did not hold: .*for_s is 0 or more"):
        Machine(cloud.names, cloud.client).hold("a test", -1)


def test_a_machine_that_goes_meanwhile_takes_the_release_with_it(cloud):
    cloud.waits = lambda: cloud.outside("ec2").stop_instances(InstanceIds=[cloud.names.instance_id])
    with pytest.raises(Undone, match="has gone, and what ran on it"):
        cloud.release(GOOD)
    assert cloud.everybody_goes_to() == "blue"
    assert cloud.parameter() == BEGIN


@pytest.mark.parametrize("in_place", [False, True])
def test_the_rules_are_its_own_before_it_switches_the_first(cloud, in_place):
    held = []

    def before(name, count):
        if (name, count) == ("elbv2.ModifyRule", 1):
            held.append(holds_rules(Table(cloud.outside("dynamodb"), TABLE), cloud.now))

    cloud.meanwhile = before
    cloud.release(GOOD, in_place=in_place)
    assert held == [True]


def test_the_second_of_two_releases_is_refused_and_the_first_one_goes_on(cloud):
    refusals = []

    def waits():
        cloud.waits = lambda: None
        with pytest.raises(Refused, match="maria releases good to green now") as refused:
            cloud.release("another")
        refusals.append(refused)

    cloud.waits = waits
    cloud.release(GOOD)
    assert refusals
    assert the_new_one_serves(cloud)


def test_one_that_was_taken_for_dead_does_nothing_more(cloud):
    """Its process was stopped for longer than its lease; another one has gone on meanwhile."""

    def waits():
        cloud.waits = lambda: None
        cloud.now += 3600
        cloud.release(resume=True)

    cloud.waits = waits
    with pytest.raises(TakenOver):
        cloud.release(GOOD)
    assert the_new_one_serves(cloud)


def test_what_serves_already_is_not_released_again(cloud):
    with pytest.raises(Refused, match="blue serves old already"):
        cloud.release(OLD)


def test_there_is_nothing_to_go_on_with(cloud):
    with pytest.raises(Refused, match="no release was killed"):
        cloud.release(resume=True)


@pytest.mark.parametrize("in_place", [False, True])
def test_whichever_call_is_refused_the_old_one_serves_or_the_new_one(cloud, in_place):
    cloud.release(GOOD, in_place=in_place, pause_s=0)
    calls = changes(cloud)
    assert {name for name, _ in calls} == {*CHANGES}
    for call in calls:
        cloud.anew()
        cloud.refuse(*call)
        with suppress(ReleaseFault, ClientError):
            cloud.release(GOOD, in_place=in_place, pause_s=0)
        cloud.meanwhile = lambda *_: None
        assert cloud.has_somebody_for_everybody(), call
        go_on(cloud, "resume")
        assert the_old_one_serves(cloud) or the_new_one_serves(cloud), call


@pytest.mark.parametrize("wish", ["resume", "back"])
@pytest.mark.parametrize("in_place", [False, True])
def test_wherever_it_is_killed_it_can_be_gone_on_with_or_taken_back(cloud, wish, in_place):
    def kill(name, count):
        if (name, count) == call:
            raise Killed

    cloud.release(GOOD, in_place=in_place, pause_s=0)
    for call in changes(cloud):
        cloud.anew()
        cloud.later = kill
        with pytest.raises(Killed):
            cloud.release(GOOD, in_place=in_place, pause_s=0)
        cloud.later = lambda *_: None
        cloud.now += 3600
        go_on(cloud, wish)
        if wish == "resume":
            assert the_new_one_serves(cloud) or not cloud.ledger(), call
        else:
            assert cloud.everybody_goes_to() == "blue", call
            assert cloud.host.answers("blue", "/speak"), call


def go_on(cloud: Appliance, wish: str) -> None:
    """It may have ended already, or never have begun."""
    with suppress(Undone, Refused):
        cloud.release(**{wish: True})
