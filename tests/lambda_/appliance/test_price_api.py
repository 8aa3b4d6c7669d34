"""AWS asked for prices, where it may be; what it refuses is a note, and the table stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

pytest.importorskip("boto3", reason="boto3 is not installed")

import boto3
from botocore.stub import Stubber

from appliance.price_api import FRESH_S, TRY_AGAIN_S, Known, current
from appliance.prices import TABLE
from tests.lambda_.appliance.a_ledger import HOUR, NOW


def product(dollars: str, since: str = "2026-11-01T00:00:00Z", unit: str = "Hrs") -> str:
    dimension = {"unit": unit, "pricePerUnit": {"USD": dollars}}
    term = {"effectiveDate": since, "priceDimensions": {"a": dimension}}
    return json.dumps({"product": {}, "terms": {"OnDemand": {"b": term}, "Reserved": {"c": {}}}})


@pytest.fixture
def stubs(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    made = {}

    def connect(service, region):
        client = boto3.client(service, region_name=region)
        made[service] = Stubber(client)
        made[service].activate()
        prepared.get(service, lambda _: None)(made[service])
        made[service, "region"] = region
        return client

    prepared = made["prepared"] = {}
    made["connect"] = connect
    return made


def asked(stubs, known, now=NOW, region="eu-central-1", spot=False, types=("p5.48xlarge",)):
    return current(TABLE, region, types, spot, now, connect=stubs["connect"], known=known)


def test_a_price_on_demand_is_aws_own(stubs):
    def answers(stub):
        stub.add_response("get_products", {"PriceList": [product("0.0000000000"), product("55.0400000000")]})

    stubs["prepared"]["pricing"] = answers
    prices = asked(stubs, Known())
    found = prices.rate("p5.48xlarge", "eu-central-1", False, NOW - HOUR, NOW)
    assert (found.dollars, found.source) == (55.04, "AWS price list, pricing:GetProducts")
    assert datetime.fromtimestamp(found.since, UTC).isoformat() == "2026-11-01T00:00:00+00:00"
    assert prices.notes == ()


@pytest.mark.parametrize(
    ("region", "home"),
    [("eu-west-1", "eu-central-1"), ("ap-northeast-1", "ap-south-1"), ("sa-east-1", "us-east-1")],
)
def test_the_price_list_is_asked_where_it_is(stubs, region, home):
    asked(stubs, Known(), region=region)
    assert stubs["pricing", "region"] == home


def test_spot_is_what_it_was_in_its_zone(stubs):
    moment = datetime.fromtimestamp(NOW - 2 * HOUR, UTC)
    told = {"InstanceType": "g5.xlarge", "SpotPrice": "0.31", "Timestamp": moment}

    def answers(stub):
        history = [told | {"AvailabilityZone": "eu-central-1b"}]
        stub.add_response("describe_spot_price_history", {"SpotPriceHistory": history})

    stubs["prepared"]["ec2"] = answers
    prices = asked(stubs, Known(), spot=True, types=("g5.xlarge",))
    assert prices.rate("g5.xlarge", "eu-central-1", True, NOW - HOUR, NOW, "eu-central-1b").dollars == 0.31
    assert prices.rate("g5.xlarge", "eu-central-1", True, NOW - HOUR, NOW, "eu-central-1a").dollars == 0.51


def test_what_is_refused_is_a_note_and_the_tables_price_stands(stubs):
    def refuses(stub):
        stub.add_client_error("get_products", "AccessDeniedException")

    stubs["prepared"]["pricing"] = refuses
    prices = asked(stubs, Known(), types=("g5.xlarge",))
    assert prices.rate("g5.xlarge", "eu-central-1", False, NOW - HOUR, NOW).dollars == 1.258
    (note,) = prices.notes
    assert note == (
        "pricing:GetProducts: AccessDeniedException: the table's prices are used; "
        "its role may not do this: see the permissions in docs/cloud.md"
    )


def test_an_answer_that_is_no_price_is_a_note(stubs):
    stubs["prepared"]["pricing"] = lambda stub: stub.add_response("get_products", {"PriceList": ["{}"]})
    assert asked(stubs, Known()).notes[0].startswith("pricing:GetProducts: KeyError")


def test_a_warm_function_asks_every_six_hours_and_after_a_refusal_sooner(stubs):
    def answers(stub):
        stub.add_response("get_products", {"PriceList": [product("50")]})
        stub.add_client_error("get_products", "ThrottlingException")
        stub.add_response("get_products", {"PriceList": [product("60")]})

    stubs["prepared"]["pricing"] = answers
    known = Known()

    def price(now):
        found = asked(stubs, known, now).rate("p5.48xlarge", "eu-central-1", False, NOW, NOW)
        return found and found.dollars

    assert [price(NOW), price(NOW + FRESH_S)] == [50.0, 50.0]
    refused_at = NOW + FRESH_S + 1
    assert [price(refused_at), price(refused_at + TRY_AGAIN_S)] == [None, None]
    assert price(refused_at + TRY_AGAIN_S + 1) == 60.0
