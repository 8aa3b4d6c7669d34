"""An entry of config/checkpoints.yaml: what a checkpoint holds, its licence, and the places that have it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from servers.checkpoints.verify import Sha256, StoredFile
from servers.errors import UnknownSource

OWN_PLACE = ("repo", "revision", "ignore", "gated", "url", "sha256", "unpack_to")
"""Keys of a place that may stand in the entry itself, where it is the only one."""


def inside(name: str) -> str:
    """A relative path that stays where it starts."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or (not path.name and name != "."):
        raise ValueError("it must stay inside the checkpoint's folder")
    return name


Inside = Annotated[str, AfterValidator(inside)]


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Repository(Entry):
    """A repository of the hub. Without `paths` the files have the names that they have there."""

    kind: ClassVar[str] = "hub"
    repo: str
    revision: str = "main"
    ignore: tuple[str, ...] = ()
    gated: bool = False
    paths: dict[Inside, str] = Field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it is, in short."""
        return self.repo


class Packages(Entry):
    """Packages of the Python registry, by name with a version each, and which of their files are wanted.

    A list of paths is of parts, which one after the other are the file.
    """

    kind: ClassVar[str] = "packages"
    packages: dict[str, str] = Field(min_length=1)
    paths: dict[Inside, str | list[str]] = Field(min_length=1)

    @property
    def place(self) -> str:
        return ", ".join(f"{name} {version}" for name, version in self.packages.items())


class Archived(Entry):
    """A zip file with its hash; it is unpacked."""

    kind: ClassVar[str] = "archive"
    url: str
    sha256: Sha256
    unpack_to: Inside = "."

    @property
    def place(self) -> str:
        return self.url


class Mirror(Entry):
    """A folder of checkpoints by their names, as models_dir is."""

    kind: ClassVar[str] = "mirror"
    mirror: str

    @field_validator("mirror")
    @classmethod
    def _address(cls, mirror: str) -> str:
        scheme, _, rest = mirror.partition(":")
        slashes = {"file": "/", "s3": "//", "http": "//", "https": "//"}.get(scheme)
        if slashes is None or not rest.startswith(slashes) or not rest.strip("/"):
            raise ValueError("it is an address: file:/folder, s3://bucket/folder, http:// or https://")
        return mirror

    @property
    def place(self) -> str:
        return self.mirror


Place = Repository | Packages | Archived | Mirror
PLACES: Mapping[str, type[Place]] = {
    "repo": Repository,
    "packages": Packages,
    "url": Archived,
    "mirror": Mirror,
}
"""By the key that no other has."""


class CheckpointSpec(Entry):
    """One entry. `files` has what each file must be, whichever of the sources it comes from.

    Without `files` the first pull pins what the source lists.
    """

    files: dict[Inside, StoredFile] = Field(default_factory=dict)
    sources: tuple[Place, ...] = Field(min_length=1)
    licence: str
    size_mb: int = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _with_sources(cls, entry: Any) -> Any:
        """Each source as the kind that it is, so that what is wrong with it is told of that kind alone."""
        if not isinstance(entry, dict):
            return entry
        own = {key: value for key, value in entry.items() if key in OWN_PLACE}
        others = {key: value for key, value in entry.items() if key not in OWN_PLACE}
        if own and "sources" in entry:
            raise ValueError(f"with sources, {', '.join(own)} stands in one of them")
        sources = others.get("sources", [own])
        if not isinstance(sources, list | tuple):
            raise ValueError("sources is a list")
        return others | {"sources": tuple(_place(source) for source in sources)}

    @model_validator(mode="after")
    def _hashed(self) -> CheckpointSpec:
        for source in self.sources:
            if isinstance(source, Packages) and set(source.paths) != set(self.files):
                raise ValueError(f"the paths of {source.place} and files do not name the same files")
            if isinstance(source, Archived) and (self.files or len(self.sources) > 1):
                raise ValueError("an archive has its own sha256: no files, and no other source, can be named")
        return self

    @property
    def hashed(self) -> bool:
        """Does the entry itself say what each file must be, be it by the archive that they are in?"""
        return bool(self.files) or isinstance(self.sources[0], Archived)

    def only_from(self, source: str) -> CheckpointSpec:
        """The entry with its sources of this kind alone, or with a mirror alone, by its address or path.

        Raises UnknownSource for what is neither.
        """
        own = tuple(place for place in self.sources if place.kind == source)
        return self.model_copy(update={"sources": own or (self._mirror(source),)})

    def _mirror(self, source: str) -> Mirror:
        try:
            return mirror_at(source)
        except ValueError:
            kinds = ", ".join(dict.fromkeys(place.kind for place in self.sources))
            raise UnknownSource(
                f"{source!r} is no source: this checkpoint has {kinds}; or name a folder by its path, "
                "or file:/folder, s3://bucket/folder, http://… or https://…",
                param="from",
            ) from None

    @property
    def place(self) -> str:
        """Where it comes from first, in short."""
        return self.sources[0].place


def mirror_at(text: str) -> Mirror:
    """The mirror at an address, or in a folder by its path. Raises ValueError for what is neither."""
    is_path = ":" not in text.partition("/")[0] and ("/" in text or text.startswith((".", "~")))
    return Mirror(mirror=Path(text).expanduser().absolute().as_uri() if is_path else text)


def _place(source: Any) -> Any:
    if not isinstance(source, dict):
        return source
    keys = [key for key in PLACES if key in source]
    if len(keys) != 1:
        raise ValueError("it needs a repo, or a url, or packages, or a mirror, and not both")
    try:
        return PLACES[keys[0]].model_validate(source)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ValueError(f"{where}: {fault['msg']}") from None
