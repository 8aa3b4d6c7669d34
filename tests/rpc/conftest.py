from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("grpc", reason="needs the extra [rpc]")

from tests.rpc.worker import Worker, running_worker


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """Shared by a file's tests: it is not killed."""
    with running_worker(SKYLARK_RPC__MAX_CONCURRENT_SESSIONS="40") as found:
        yield found
