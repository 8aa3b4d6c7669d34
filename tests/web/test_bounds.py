from __future__ import annotations

import resource

import pytest

from servers.web.bounds import MOST_CONNECTIONS, Bounds


@pytest.mark.parametrize(
    ("soft", "hard", "connections"),
    [
        (1_024, 1_024, 512),
        (256, 1_024, 512),
        (1_024, 1_048_576, MOST_CONNECTIONS),
        (256, resource.RLIM_INFINITY, MOST_CONNECTIONS),
    ],
)
def test_connections_are_as_many_as_descriptors_allow(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, connections: int
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, both: limits.append(both))
    assert Bounds.of_process(10_000, 1) == Bounds(connections, connections)
    assert Bounds.of_process(10, 2) == Bounds(min(MOST_CONNECTIONS, limits[-1][0] // 4), 10)


def test_a_system_that_allows_fewer_descriptors_than_its_hard_limit_has_those(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def setrlimit(_which: int, both: tuple[int, int]) -> None:
        if both[0] > 20_000:
            raise ValueError("current limit exceeds maximum limit")
        limits.append(both)

    limits = [(256, resource.RLIM_INFINITY)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    Bounds.of_process(1, 1)
    assert limits[-1][0] == 10_240
