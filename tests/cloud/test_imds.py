"""Which instance this is."""

from __future__ import annotations

from servers.cloud.imds import instance_id
from servers.settings import Settings
from tests.monitor.imds import running_imds


def told(imds_url: str | None, **cloud: str) -> str | None:
    return instance_id(Settings(monitor={"imds_url": imds_url}, cloud=cloud))


def test_ec2_says_it():
    with running_imds() as imds:
        imds.instance_id = "i-0123456789abcdef0"
        assert told(imds.url) == "i-0123456789abcdef0"


def test_the_settings_say_it_and_nobody_is_asked():
    assert told("http://127.0.0.1:9", instance_id="i-0a") == "i-0a"


def test_elsewhere_it_is_none():
    with running_imds() as imds:
        url = imds.url
    assert told(url) is None
    assert told(None) is None
