"""Which appliance a command means when nobody says: the one that runs from this checkout."""

from __future__ import annotations

import os
from pathlib import Path

from servers import ROOT
from servers.cli.failures import WrongUsage
from servers.supervision.running import Running, running


def running_here() -> Running | None:
    """The appliance that runs from this checkout, on the data_dir that the environment names if it does.

    None where there is none. Raises WrongUsage where there are several: it is not for us to guess.
    """
    ours = [each for each in running() if each.checkout == str(ROOT) and _is_meant(each)]
    if len(ours) > 1:
        places = "; ".join(_place(each) for each in ours)
        raise WrongUsage(
            f"{len(ours)} appliances run from this checkout, and it has to be said which is meant: {places}"
        )
    return ours[0] if ours else None


def hint(option: str) -> str:
    """What to do where nobody answers, for the end of an error's message; `option` says where else to ask.

    Empty where an appliance runs from this checkout: then it is not for want of one.
    """
    everything = running()
    if any(each.checkout == str(ROOT) and _is_meant(each) for each in everything):
        return ""
    others = "; ".join(f"{_place(each)}, from {each.checkout}" for each in everything)
    others = f" (there is {others})" if others else ""
    return f"; nothing runs from this checkout: start scripts/up, or say with {option} where to ask{others}"


def _is_meant(appliance: Running) -> bool:
    """SKYLARK_DATA_DIR, where it is set, is the folder that it was started with."""
    named = os.environ.get("SKYLARK_DATA_DIR")
    return not named or Path(appliance.data_dir) == ROOT / Path(named).expanduser()


def _place(appliance: Running) -> str:
    return f"--server {next(iter(appliance.urls.values()), '')} (--socket {appliance.socket})"
