"""Where Piper's voices are, and what their files say: voice packs, and checkpoints that were pulled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from servers import voicepacks
from servers.checkpoints.catalogue import Catalogue
from servers.checkpoints.folders import MANIFEST, folder_of, locate, pulled
from servers.checkpoints.verify import Manifest, read_manifest
from servers.errors import ModelLoadFailed
from servers.settings import settings

FAMILY = "piper"
MODEL, CONFIG = "model.onnx", "config.json"
CONFIG_SUFFIX = ".onnx.json"
PIECES = ("_", "^", "$")
"""What piper puts between and around phonemes: every voice has an id for it."""
Ids = Annotated[list[int], Field(min_length=1)]


class Section(BaseModel):
    """Piper's trainer writes much else, which is not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Audio(Section):
    sample_rate: int = Field(ge=8_000, le=48_000)


class Espeak(Section):
    voice: str


class Language(Section):
    code: str


class Config(Section):
    """What a voice's config.json has to say for piper to speak with it."""

    audio: Audio
    espeak: Espeak
    num_symbols: int = Field(ge=1)
    num_speakers: int = Field(ge=1)
    phoneme_id_map: dict[str, Ids]
    phoneme_type: Literal["espeak", "text"] = "espeak"
    """The others need packages that the extra does not bring."""
    speaker_id_map: dict[str, int] = Field(default_factory=dict)
    default_speaker_id: int = 0
    language: Language | None = None


@dataclass(frozen=True)
class Pack:
    """One voice, or several in one model: `speakers` are their numbers by name, empty where there is one."""

    name: str
    model: Path
    config: Path
    sample_rate: int
    languages: tuple[str, ...]
    licence: str | None = None
    speakers: Mapping[str, int] = field(default_factory=dict)
    default_speaker: int | None = None
    sha256: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """A voice that cannot be used, and why."""

    name: str
    error: ModelLoadFailed


def all_packs(checkpoint: Path | None = None) -> list[Pack | Broken]:
    """Those of the checkpoint, then the voice packs, then those of every checkpoint that was pulled.

    The first of a name is it. Raises ModelLoadFailed where the checkpoint that was asked for is not there,
    or holds no voice.
    """
    found = [] if checkpoint is None else _of_checkpoint(locate(checkpoint))
    if checkpoint is not None and not found:
        needs = f"{MODEL} with {CONFIG}, or *.onnx with *{CONFIG_SUFFIX}"
        message = f"{folder_of(checkpoint)} holds no Piper voice: {needs}"
        raise ModelLoadFailed(message, param="checkpoint")
    found += [_or_broken(folder.name, _voice_pack, folder) for folder in voicepacks.folders(FAMILY)]
    found += [pack for name in pulled() for pack in _of_checkpoint(folder_of(name))]
    first: dict[str, Pack | Broken] = {}
    for pack in found:
        first.setdefault(pack.name.casefold(), pack)
    return list(first.values())


def _of_checkpoint(folder: Path) -> list[Pack | Broken]:
    """Its voices: model.onnx with config.json, called as the folder is, and each *.onnx with its *.onnx.json,
    called as Piper calls it: en_US-joe-medium.
    """
    own = [(folder.name, folder / MODEL, folder / CONFIG)] if (folder / MODEL).is_file() else []
    others = [
        (name, config.with_name(f"{name}.onnx"), config)
        for config in sorted(folder.rglob(f"*{CONFIG_SUFFIX}"))
        for name in (config.name.removesuffix(CONFIG_SUFFIX),)
    ]
    return [
        _or_broken(name, _voice_of_checkpoint, model, config, folder)
        for name, model, config in (*own, *others)
        if _is_pipers(config)
    ]


def _is_pipers(config: Path) -> bool:
    """Other models have files of these names too."""
    return config.is_file() and b'"phoneme_id_map"' in config.read_bytes()


def _or_broken(name: str, read: Callable[..., Pack], *of: Path) -> Pack | Broken:
    try:
        return read(name, *of)
    except ModelLoadFailed as error:
        return Broken(name, error)


def _voice_pack(name: str, folder: Path) -> Pack:
    said = voicepacks.read_metadata(folder)
    hashes = {folder / file: digest for file, digest in said.sha256.items()}
    pack = _pack(name, folder / MODEL, folder / CONFIG, said.languages, said.licence, hashes)
    if said.audio.sample_rate != pack.sample_rate:
        why = f"{said.audio.sample_rate} is not the {pack.sample_rate} of {CONFIG}"
        raise voicepacks.wrong(folder / voicepacks.METADATA, "audio.sample_rate", why)
    return pack


def _voice_of_checkpoint(name: str, model: Path, config: Path, folder: Path) -> Pack:
    manifest = _manifest(folder)
    listed = manifest.files if manifest is not None else {}
    hashes = {
        path: listed[key].sha256 for path in (model, config) if (key := _within(path, folder)) in listed
    }
    return _pack(name, model, config, (), _licence(folder.name), hashes)


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except ValidationError:
        raise voicepacks.wrong(folder / MANIFEST, "the file", "no pull has written it so") from None


def _within(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _licence(checkpoint: str) -> str | None:
    """What config/checkpoints.yaml says of it."""
    spec = Catalogue.load(settings().checkpoints_file).specs.get(checkpoint)
    return None if spec is None else spec.licence


def _pack(
    name: str,
    model: Path,
    config: Path,
    languages: tuple[str, ...],
    licence: str | None,
    hashes: Mapping[Path, str],
) -> Pack:
    said = read_config(config)
    several = said.num_speakers > 1
    named = said.speaker_id_map or {str(number): number for number in range(said.num_speakers)}
    return Pack(
        name=name,
        model=voicepacks.present(model),
        config=config,
        sample_rate=said.audio.sample_rate,
        languages=languages or (tag(said.language.code if said.language else said.espeak.voice),),
        licence=licence,
        speakers=named if several else {},
        default_speaker=said.default_speaker_id if several else None,
        sha256=hashes,
    )


def read_config(path: Path) -> Config:
    """What a voice's configuration says. Raises ModelLoadFailed naming the file and the field at fault."""
    try:
        config = Config.model_validate_json(voicepacks.present(path).read_bytes())
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise voicepacks.wrong(path, key, fault["msg"]) from None
    _check(path, config)
    return config


def _check(path: Path, config: Config) -> None:
    """What no single field can be blamed for."""
    missing = [piece for piece in PIECES if piece not in config.phoneme_id_map]
    if missing:
        raise voicepacks.wrong(path, "phoneme_id_map", f"it has no {' '.join(missing)}")
    if max(map(max, config.phoneme_id_map.values())) >= config.num_symbols:
        raise voicepacks.wrong(
            path, "phoneme_id_map", f"an id is not below num_symbols, {config.num_symbols}"
        )
    numbers = {**config.speaker_id_map, "default_speaker_id": config.default_speaker_id}
    unknown = [name for name, number in numbers.items() if not 0 <= number < config.num_speakers]
    if unknown:
        field = unknown[0] if unknown[0] == "default_speaker_id" else f"speaker_id_map.{unknown[0]}"
        raise voicepacks.wrong(path, field, f"there are {config.num_speakers} speakers, counted from 0")


def tag(code: str) -> str:
    """ "en-US" for Piper's en_US and for espeak's en-us."""
    base, *more = code.replace("_", "-").split("-")
    return "-".join([base.lower(), *(part.upper() if len(part) == 2 else part for part in more)])
