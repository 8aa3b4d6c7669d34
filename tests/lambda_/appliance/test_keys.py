"""API keys by their hashes: whose a key is, and for how long what was read counts."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from appliance.exchange import Unauthorized, read
from appliance.faults import Unreadable
from appliance.keys import KEPT_S, PARTS, Keys
from servers.settings import ROOT
from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import KEYS, OWNER, SECRET

aws = fixtures.aws


@pytest.fixture
def keys(aws):
    return Keys(KEYS, lambda: aws.now)


def asked(**headers):
    return read({"httpMethod": "GET", "path": "/machine", "headers": headers})


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": SECRET}, {"authorization": f"Bearer {SECRET}"}, {"xi-api-key": SECRET}],
    ids=lambda headers: next(iter(headers)),
)
def test_a_key_is_its_owners(aws, keys, headers):
    assert keys.owner(aws.client("ssm"), asked(**headers)) == OWNER


@pytest.mark.parametrize(
    "headers", [{}, {"x-api-key": "another"}, {"authorization": f"Basic {SECRET}"}, {"x-api-key": ""}]
)
def test_what_is_no_key_is_refused(aws, keys, headers):
    with pytest.raises(Unauthorized, match="X-API-Key"):
        keys.owner(aws.client("ssm"), asked(**headers))


def test_the_keys_are_read_once_a_minute(aws, keys):
    ssm = aws.client("ssm")
    for _ in range(3):
        keys.owner(ssm, asked(**{"x-api-key": SECRET}))
    assert aws.called.count("ssm.GetParameter") == 1
    aws.write_parameter(KEYS, f"anna:{sha256(b'new').hexdigest().upper()}", "SecureString")
    aws.now += KEPT_S
    assert keys.owner(ssm, asked(**{"x-api-key": "new"})) == "anna"
    with pytest.raises(Unauthorized):
        keys.owner(ssm, asked(**{"x-api-key": SECRET}))


@pytest.mark.parametrize("value", ["set me", "maria:abc", f"maria:{'0' * 64},anna", ","])
def test_a_parameter_that_has_no_keys_is_told_without_its_value(aws, keys, value):
    aws.write_parameter(KEYS, value, "SecureString")
    with pytest.raises(Unreadable, match="api_keys is not as id:sha256") as caught:
        keys.owner(aws.client("ssm"), asked(**{"x-api-key": SECRET}))
    assert value == "," or value not in str(caught.value)


@pytest.mark.parametrize("id", sorted(PARTS))
def test_nobody_has_a_key_by_the_name_of_one_of_the_appliances_own_parts(aws, keys, id):
    aws.write_parameter(KEYS, f"maria:{'0' * 64},{id}:{'1' * 64}", "SecureString")
    with pytest.raises(Unreadable, match=f"api_keys has the id {id}, which is the appliance's own"):
        keys.owner(aws.client("ssm"), asked(**{"x-api-key": SECRET}))


def test_terraform_refuses_the_same_ids():
    text = (ROOT / "infra" / "variables.tf").read_text()
    (listed,) = re.findall(r"setintersection\(try\(keys\(var.api_keys\), \[\]\), (\[.*?\])\)", text)
    assert set(json.loads(listed)) == PARTS
