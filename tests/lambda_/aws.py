"""Fixtures: moto's AWS, and an idle machine or group in it."""

from __future__ import annotations

import pytest

from tests.lambda_.cloud import Cloud, a_group, an_instance, cloud


@pytest.fixture
def aws(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # seconds, in each test
    with cloud() as made:
        yield made


@pytest.fixture
def idle(aws) -> Cloud:
    an_instance(aws)
    aws.be_idle()
    return aws


@pytest.fixture
def idle_group(aws) -> Cloud:
    a_group(aws)
    aws.be_idle()
    return aws
