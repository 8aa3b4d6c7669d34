from __future__ import annotations

import pytest

from tests.infra.terraform import missing

if missing() is not None:
    pytest.skip(str(missing()), allow_module_level=True)
pytest.importorskip("moto.server", reason="moto, the AWS of the tests, is not installed")

from tests.infra import fixtures

applied = fixtures.applied
