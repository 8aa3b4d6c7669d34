from __future__ import annotations

from tests.buckets import fixtures
from tests.web import fixtures as web

moto_port, configure = fixtures.moto_port, web.configure
