from __future__ import annotations

import pytest

pytest.importorskip("moto", reason="moto, the AWS of the tests, is not installed")

from tests.lambda_ import aws as fixtures
from tests.lambda_.cloud import an_instance
from tests.lambda_.reception.door import Door

aws = fixtures.aws


@pytest.fixture
def door(aws) -> Door:
    """Reception, of an appliance whose machine is off."""
    an_instance(aws)
    return Door(aws)
