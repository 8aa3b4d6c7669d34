"""What the machine costs, as its status and its ledger are told: by the table, and by what AWS tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from botocore.exceptions import EndpointConnectionError

from appliance import ledger
from appliance.appliance import Appliance
from appliance.costs import FRESH_S, Costs, Kept
from appliance.machine import Instance
from tests.lambda_ import aws as fixtures
from tests.lambda_.appliance.a_ledger import HOUR, MACHINE, NOW, STAGES

aws = fixtures.aws
RUNNING = Instance("i-0a", "running", type="g5.xlarge", zone="eu-central-1a")
OFF = replace(RUNNING, state="stopped")


def nobody(service, region):
    raise EndpointConnectionError(endpoint_url=f"https://{service}.{region}")


@pytest.fixture
def costs(aws):
    aws.variables |= {"INSTANCE_ID": "i-0a", "INSTANCE_TYPES": "g6.xlarge,g5.xlarge"}
    made = Costs(Appliance(aws.settings(), aws.client), nobody, Kept())
    at = NOW - 3 * HOUR
    ledger.write(made.appliance.table, "start_asked", at, by="maria", why="chapter 3")
    ledger.write(made.appliance.table, "start_ready", at + 180, seconds=STAGES, **MACHINE)
    return made


def test_a_status_has_the_price_and_what_was_spent(costs):
    told = costs.so_far(RUNNING, NOW)
    assert told["price_per_hour"] == 1.258
    assert told["cost"]["today"] == pytest.approx(1.258 * (3 - 20 / HOUR))
    assert told["cost"]["month"] == told["cost"]["today"]
    assert told["cost"]["saved_month"] == pytest.approx(1.258 * 20 / HOUR)


def test_where_there_is_no_machine_the_price_is_that_of_the_first_type(costs):
    assert costs.so_far(Instance(), NOW)["price_per_hour"] == 1.0064


def test_a_type_of_unknown_price_has_none(costs):
    assert costs.so_far(replace(RUNNING, type="p5.48xlarge"), NOW)["price_per_hour"] is None


def test_the_sums_are_read_once_a_minute_and_when_the_machine_stops(costs, aws):
    def queries():
        return aws.called.count("dynamodb.Query")

    costs.so_far(RUNNING, NOW)
    before = queries()
    costs.so_far(RUNNING, NOW + FRESH_S - 1)
    assert queries() == before
    costs.so_far(OFF, NOW + FRESH_S - 1)
    assert queries() > before
    before = queries()
    costs.so_far(OFF, NOW + 3 * FRESH_S)
    assert queries() > before


def test_the_ledger_is_answered_with_a_note_where_aws_tells_no_price(costs):
    answer = costs.answer(RUNNING, 31, NOW)
    assert [entry["event"] for entry in answer["entries"]] == ["start_asked", "start_ready"]
    assert answer["totals"]["runs"][0]["ended"] == "goes_on"
    assert answer["totals"]["notes"] == [
        "pricing:GetProducts: EndpointConnectionError: the table's prices are used; "
        "it is tried again by the next run"
    ]


def test_of_a_machine_that_does_not_run_the_last_run_does_not_go_on(costs):
    assert costs.answer(OFF, 31, NOW)["totals"]["runs"][0]["ended"] == "unheard"
