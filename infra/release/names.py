"""What the appliance's parts are called: as Terraform wrote it into the start function's environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from release.faults import Refused


@dataclass(frozen=True)
class Route:
    """A rule of the load balancer, and the target group of each place."""

    rule: str
    service: str
    groups: Mapping[str, str]


@dataclass(frozen=True)
class Names:
    appliance: str
    start_function: str
    table: str
    release_parameter: str
    hold_path: str
    reception: str
    """The reception's target group."""
    routes: tuple[Route, ...]
    repository: str
    url: str
    fits_two: bool
    """Whether the GPU has memory for both places at once."""
    instance_id: str = ""
    asg_name: str = ""


def read(appliance: str, functions: Any) -> Names:
    """`functions` is boto3's client of Lambda. Raises Refused where there is no such appliance."""
    name = f"skylark-{appliance}-start"
    try:
        found = functions.get_function_configuration(FunctionName=name)
    except functions.exceptions.ResourceNotFoundException:
        raise Refused(
            f"there is no appliance {appliance} here: no function {name}; see infra/README.md"
        ) from None
    return of(found["Environment"]["Variables"])


def of(variables: Mapping[str, str]) -> Names:
    """Raises Refused with all that are missing: the functions were made by an older infra/."""
    needed = (
        "APPLIANCE START_FUNCTION TABLE_NAME RELEASE_PARAMETER HOLD_PARAMETER RECEPTION_TARGET_GROUP ROUTES"
    )
    needed += " REPOSITORY_URL SERVICE_URL GPU_FITS_TWO"
    if missing := [name for name in needed.split() if not variables.get(name)]:
        raise Refused(f"the start function has no {', '.join(missing)}: run terraform apply with this infra/")
    return Names(
        appliance=variables["APPLIANCE"],
        start_function=variables["START_FUNCTION"],
        table=variables["TABLE_NAME"],
        release_parameter=variables["RELEASE_PARAMETER"],
        hold_path=variables["HOLD_PARAMETER"],
        reception=variables["RECEPTION_TARGET_GROUP"],
        routes=tuple(_route(route) for route in json.loads(variables["ROUTES"])),
        repository=variables["REPOSITORY_URL"],
        url=variables["SERVICE_URL"],
        fits_two=variables["GPU_FITS_TWO"] == "true",
        instance_id=variables.get("INSTANCE_ID", ""),
        asg_name=variables.get("ASG_NAME", ""),
    )


def _route(route: Mapping[str, str]) -> Route:
    return Route(route["rule"], route["service"], {"blue": route["blue"], "green": route["green"]})
