"""What a request says after the question mark, as a typed noun."""

from __future__ import annotations

from typing import Self

from flask import request
from pydantic import ConfigDict

from servers.speech import Noun


class Query(Noun):
    """The parameters that mean something; whatever else is there is let pass. Fields have descriptions."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @classmethod
    def of_request(cls) -> Self:
        """The current request's; of one that is there twice, the first. Raises InvalidRequest naming it."""
        return cls.parse(request.args.to_dict())
