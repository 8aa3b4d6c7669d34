"""Voice packs: `voicepacks_dir`/<family>/<name>/ with a model, config.json, metadata.yaml, and ref/ for some.

A backend of a family reads them here and adds what its own config.json says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from servers.checkpoints.verify import sha256
from servers.errors import ModelLoadFailed, SettingsError
from servers.settings import settings
from servers.yaml_files import read_yaml

METADATA = "metadata.yaml"
REFERENCES = "ref"
Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Hash = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Capabilities(Section):
    streaming: bool = False
    zero_shot: bool = False
    lora: bool = False
    cpu_ok: bool = False
    emotive_zero_prompt: bool = False


class Audio(Section):
    """`sample_rate` is in Hz."""

    sample_rate: int = Field(ge=8_000, le=48_000)
    channels: Literal[1] = 1


class Size(Section):
    vram_mb: int = Field(default=0, ge=0)
    disk_mb: int = Field(default=0, ge=0)


class Metadata(Section):
    """What metadata.yaml says. `licence` and `sha256`, of its files by their names, may be left out."""

    family: str
    model_id: str
    version: str
    capabilities: Capabilities = Capabilities()
    languages: tuple[Tag, ...] = Field(min_length=1)
    audio: Audio
    size: Size = Size()
    tags: tuple[str, ...] = ()
    licence: str | None = None
    sha256: dict[str, Hash] = Field(default_factory=dict)


def folders(family: str) -> list[Path]:
    """The packs of a family, by name; what is hidden is none."""
    within = settings().voicepacks_dir / family
    if not within.is_dir():
        return []
    return sorted(folder for folder in within.iterdir() if folder.is_dir() and folder.name[0] != ".")


def read_metadata(folder: Path) -> Metadata:
    """What the pack in `<family>/<name>` says of itself.

    Raises ModelLoadFailed naming the file and the field at fault.
    """
    path = folder / METADATA
    try:
        metadata = read_yaml(path, Metadata, setting="voicepacks_dir")
    except SettingsError as error:
        raise ModelLoadFailed(f"a voice pack cannot be used: {error}", param="voice") from None
    if metadata.family != folder.parent.name:
        raise wrong(path, "family", f"{metadata.family!r} lies in the folder {folder.parent.name!r}")
    if metadata.model_id != folder.name:
        raise wrong(path, "model_id", f"{metadata.model_id!r} lies in the folder {folder.name!r}")
    return metadata


def references(folder: Path) -> list[Path]:
    """The reference audio of a pack whose family clones voices."""
    return sorted((folder / REFERENCES).glob("*.wav"))


def present(path: Path) -> Path:
    """The path, if a file is there. Raises ModelLoadFailed naming it."""
    if not path.is_file():
        raise ModelLoadFailed(f"a voice pack cannot be used: {path}: no such file", param="voice")
    return path


def check_hashes(expected: Mapping[Path, str]) -> None:
    """Raises ModelLoadFailed naming the file whose content differs from its sha256."""
    for path, digest in expected.items():
        if sha256(present(path)) != digest:
            raise wrong(path, "sha256", "the file differs from the one that was described")


def wrong(path: Path, field: str, why: str) -> ModelLoadFailed:
    return ModelLoadFailed(f"a voice pack cannot be used: {path}: {field}: {why}", param="voice")
