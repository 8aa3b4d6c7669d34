"""What the servers ask by default and is not here: pulled before a start, or said what is asked instead."""

from __future__ import annotations

from servers.catalog import Catalog
from servers.checkpoints import folder_of
from servers.checkpoints.catalogue import Catalogue
from servers.checkpoints.folders import State, state
from servers.cli.checks import preferred
from servers.errors import MissingExtra, SkylarkError, UnknownModel
from servers.jobs.preferred import PassedOver
from servers.settings import Settings
from servers.supervision.processes import DOORS


def pull_missing(loaded: Settings) -> None:
    """The checkpoints of a server that has several models to ask; where one cannot be had, the next is asked.

    Raises SettingsError.
    """
    catalog, known = Catalog.load(loaded.models_file), Catalogue.load(loaded.checkpoints_file)
    for door in DOORS:
        for passed_over in preferred(door, loaded, catalog).passed_over:
            _pull(_missing(passed_over, catalog, known))
        now = preferred(door, loaded, catalog)
        for passed_over in now.passed_over:
            print(
                f"{door.name} does without {passed_over.model_type}, and asks {now.first.backend}: "
                f"{passed_over.error.message}",
                flush=True,
            )


def _missing(passed_over: PassedOver, catalog: Catalog, known: Catalogue) -> list[str]:
    """The checkpoints that can be pulled for it; none where something else is in the way."""
    if isinstance(passed_over.error, MissingExtra | UnknownModel):
        return []
    needed = known.needed_by(catalog.resolve(passed_over.model_type))
    there = (State.PRESENT, State.UNLISTED)
    return [name for name in needed if name in known.specs and state(folder_of(name)) not in there]


def _pull(names: list[str]) -> None:
    if not names:
        return
    from servers.cli import checkpoints

    try:
        checkpoints.pull(names)
    except SkylarkError as error:
        print(f"{', '.join(names)} cannot be pulled: {error.message}", flush=True)
