"""Tests of the queue; the contracts' assertions explain themselves as those of test modules do."""

import pytest

for name in ("store", "concurrency", "migrations"):
    pytest.register_assert_rewrite(f"{__name__}.{name}_contract")
