"""The errors that the proxy's endpoints answer with, for its OpenAPI document."""

from __future__ import annotations

from servers.errors import (
    AllowanceUsed,
    DeadlineExceeded,
    ForeignOrigin,
    ForgedRequest,
    TooManyStreams,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamUnreachable,
    WrongHost,
)
from servers.web.failures import Kinds

OF_ASKING: Kinds = (
    WrongHost,
    TooManyStreams,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamUnreachable,
    DeadlineExceeded,
)
OF_CHANGES: Kinds = (WrongHost, ForeignOrigin, ForgedRequest)
"""Of what is no GET."""
OF_WORK: Kinds = (*OF_ASKING, *OF_CHANGES, AllowanceUsed)
