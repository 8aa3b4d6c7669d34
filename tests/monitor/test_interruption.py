"""Notices of EC2, asked for over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servers.cloud.changes import Changes
from servers.monitor.interruption import Notices
from tests.monitor.imds import Imds, running_imds


@pytest.fixture
def imds() -> Iterator[Imds]:
    with running_imds() as imds:
        yield imds


@pytest.fixture
def notices(imds: Imds) -> Notices:
    return Notices(imds.url, Changes())


def test_there_is_no_notice_until_there_is_one(imds, notices):
    assert not notices.is_given()
    imds.notice = True
    assert notices.is_given()


def test_the_token_is_asked_for_once_and_again_when_it_has_expired(imds, notices):
    assert not notices.is_given()
    assert not notices.is_given()
    assert imds.asked == ["PUT 200", "GET 404", "GET 404"]
    imds.token, imds.notice = "token-2", True
    assert notices.is_given()
    assert imds.asked[3:] == ["GET 401", "PUT 200", "GET 200"]


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_service_that_fails_gives_no_notice_and_is_logged_once(imds, notices, caplog, status):
    imds.fails_with = status
    assert [notices.is_given() for _ in range(3)] == [False] * 3
    assert len(caplog.records) == 1
    assert len(imds.asked) <= 6


def test_a_machine_that_is_none_of_ec2s_is_said_once(caplog):
    with running_imds() as gone:
        url = gone.url
    notices = Notices(url, Changes())
    assert [notices.is_given() for _ in range(3)] == [False] * 3
    assert len(caplog.records) == 1
