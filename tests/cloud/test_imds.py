"""Which instance this is."""

from __future__ import annotations

from collections.abc import Callable

from servers.cloud.imds import PAUSE_S, TRIES, instance_id
from servers.settings import Settings
from tests.monitor.imds import running_imds


def told(imds_url: str | None, sleep: Callable[[float], object] = lambda _: None, **cloud: str) -> str | None:
    return instance_id(Settings(monitor={"imds_url": imds_url}, cloud=cloud), sleep)


def test_ec2_says_it():
    with running_imds() as imds:
        imds.instance_id = "i-0123456789abcdef0"
        assert told(imds.url) == "i-0123456789abcdef0"


def test_the_settings_say_it_and_nobody_is_asked():
    assert told("http://127.0.0.1:9", instance_id="i-0a") == "i-0a"


def test_a_service_that_is_silent_for_a_second_at_a_boot_is_asked_again():
    with running_imds() as imds:
        imds.instance_id, imds.fails_with = "i-0123456789abcdef0", 503
        pauses: list[float] = []

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            imds.fails_with = None

        assert told(imds.url, sleep) == "i-0123456789abcdef0"
    assert pauses == [PAUSE_S]


def test_a_service_that_stays_silent_is_asked_no_more_after_a_few_times():
    with running_imds() as imds:
        imds.fails_with = 503
        assert told(imds.url) is None
        assert imds.asked == ["PUT 503"] * TRIES


def test_elsewhere_it_is_none():
    with running_imds() as imds:
        url = imds.url
    assert told(url) is None
    assert told(None) is None
