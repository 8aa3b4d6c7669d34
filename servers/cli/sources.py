"""config/checkpoints.yaml: the checkpoints that can be pulled, from where, and under which licence."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from servers.settings import SettingsError


class Source(BaseModel):
    """One checkpoint: a repository of the hub, or an archive with its hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repo: str | None = None
    revision: str = "main"
    ignore: tuple[str, ...] = ()
    gated: bool = False
    url: str | None = None
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    unpack_to: str = "."
    licence: str
    size_mb: int = Field(ge=0)

    @model_validator(mode="after")
    def _from_one_place(self) -> Source:
        if (self.repo is None) == (self.url is None):
            raise ValueError("it needs a repo, or a url, and not both")
        if self.url is not None and self.sha256 is None:
            raise ValueError("with a url it needs a sha256")
        return self

    @field_validator("unpack_to")
    @classmethod
    def _inside(cls, folder: str) -> str:
        if Path(folder).is_absolute() or ".." in Path(folder).parts:
            raise ValueError("unpack_to must stay inside the checkpoint's folder")
        return folder

    @property
    def place(self) -> str:
        return self.repo or self.url or ""


Sources = dict[str, Source]


def load(path: Path) -> Sources:
    """Raises SettingsError naming the file and the key at fault."""
    try:
        sources = TypeAdapter(Sources).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror} (checkpoints_file)") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML: {error}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise SettingsError(f"{path}: {key}: {fault['msg']}") from None
    for name in sources:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise SettingsError(
                f"{path}: {name!r} is the name of a folder: letters, digits, dot, dash, underscore"
            )
    return sources
