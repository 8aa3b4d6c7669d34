from __future__ import annotations

from tests.infra import fixtures

applied = fixtures.applied
