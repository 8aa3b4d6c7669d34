import pytest

pytest.register_assert_rewrite("tests.jobs.store_contract", "tests.jobs.migrations_contract")
