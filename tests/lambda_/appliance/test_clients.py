"""What the functions ask AWS with."""

from __future__ import annotations

import pytest

from appliance.clients import clients

BUCKET = "skylark-speech-123456789012"


@pytest.fixture
def signed(monkeypatch):
    """An address that is given away, of a function with these variables."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    def address(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        s3 = clients(variables)("s3")
        return s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "results/1"})

    return address


def test_an_address_that_is_given_away_names_the_host_of_the_region(signed):
    address = signed(AWS_REGION="eu-central-1", AWS_DEFAULT_REGION="eu-central-1")
    assert address.startswith(f"https://{BUCKET}.s3.eu-central-1.amazonaws.com/results/1?")


def test_at_another_endpoint_it_names_that(signed):
    endpoint = "http://127.0.0.1:9"
    address = signed(AWS_DEFAULT_REGION="eu-central-1", AWS_ENDPOINT_URL=endpoint)
    assert address.startswith(f"{endpoint}/{BUCKET}/results/1?")
