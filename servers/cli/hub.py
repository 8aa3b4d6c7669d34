"""A checkpoint from the Hugging Face hub: its files one after the other, resumed where a pull stopped, and
each held against the hash that the hub has of it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import requests

from servers.checkpoints import Manifest, begin, listed, sha256
from servers.cli.client import Unreachable
from servers.cli.output import CommandFailed
from servers.cli.sources import Source
from servers.extras import require

OTHER_FRAMEWORKS = (".msgpack", ".h5", ".onnx", ".tflite", ".ot")


@dataclass(frozen=True)
class Remote:
    """A file as the hub lists it. Small ones have no sha256, but the hash that git has of them."""

    name: str
    bytes: int
    sha256: str | None
    git_hash: str | None

    def is_at(self, path: Path) -> bool:
        """Is this file there, whole and unchanged?"""
        if not path.is_file() or path.stat().st_size != self.bytes:
            return False
        return sha256(path) == self.sha256 if self.sha256 else _git_hash(path) == self.git_hash


@dataclass(frozen=True)
class Listing:
    """What there is to pull: the commit that `revision` means today, and its files."""

    source: Source
    commit: str
    files: tuple[Remote, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


class Hub:
    """The hub at `url`; None is the one that huggingface_hub knows. Raises MissingExtra without that."""

    def __init__(self, url: str | None) -> None:
        require("qwen", "huggingface_hub")
        os.environ["HF_HUB_DISABLE_XET"] = "1"  # its transfers cannot be resumed inside a file
        import huggingface_hub.errors
        import huggingface_hub.utils

        huggingface_hub.utils.disable_progress_bars()  # there is one over all files
        self._hub: Any = huggingface_hub
        self._url = url.rstrip("/") if url else None

    def list(self, source: Source) -> Listing:
        """Raises CommandFailed or Unreachable."""
        api = self._hub.HfApi(endpoint=self._url)
        with self._errors(source):
            info = api.model_info(source.repo, revision=source.revision, files_metadata=True)
        files = [
            Remote(one.rfilename, one.size, one.lfs.sha256 if one.lfs else None, one.blob_id)
            for one in info.siblings
        ]
        return Listing(source, info.sha, tuple(_wanted(files, source)))

    def pull(self, listing: Listing, folder: Path) -> Manifest:
        """Every file of the listing into the folder; those that are there and right stay as they are.

        Raises CommandFailed or Unreachable; what has come by then stays, and the next pull goes on from it.
        """
        begin(folder)
        for file in listing.files:
            if not file.is_at(_inside(folder, file.name)):
                self._fetch(file, listing, folder)
        names = [file.name for file in listing.files]
        return listed(folder, names, f"{self._address()}/{listing.source.repo}", listing.commit)

    def _fetch(self, file: Remote, listing: Listing, folder: Path) -> None:
        path = _inside(folder, file.name)
        path.unlink(missing_ok=True)
        with self._errors(listing.source):
            self._hub.hf_hub_download(
                listing.source.repo, file.name, revision=listing.commit, local_dir=folder, endpoint=self._url
            )
        if not file.is_at(path):
            path.unlink()
            raise CommandFailed(
                f"{file.name} arrived otherwise than {listing.source.repo} lists it: pull it again"
            )

    @contextmanager
    def _errors(self, source: Source) -> Iterator[None]:
        """What goes wrong at the hub, in one line that says what to do."""
        errors = self._hub.errors
        try:
            yield
        except errors.RevisionNotFoundError:
            raise CommandFailed(f"{source.repo} has no revision {source.revision!r}") from None
        except errors.HfHubHTTPError as error:
            raise _refusal(source, error) from None
        except errors.OfflineModeIsEnabled:
            raise CommandFailed("nothing can be pulled while HF_HUB_OFFLINE=1 is set") from None
        except (requests.ConnectionError, requests.Timeout) as error:
            raise Unreachable(
                f"the hub cannot be reached ({type(error).__name__}): {self._address()}"
            ) from None
        except requests.RequestException as error:
            raise CommandFailed(
                f"{source.repo}: the download broke off ({type(error).__name__}): pull again, and it goes on"
            ) from None

    def _address(self) -> str:
        return self._url or str(self._hub.constants.ENDPOINT)


def _refusal(source: Source, error: Any) -> Exception:
    """The error for a reply that is none: an unreachable hub hides in one of these, as its cause."""
    if isinstance(error.__cause__, requests.ConnectionError | requests.Timeout):
        return Unreachable(f"the hub cannot be reached ({type(error.__cause__).__name__})")
    status = error.response.status_code if error.response is not None else None
    if status in (401, 403):
        if source.gated:
            return CommandFailed(
                f"{source.repo} is gated: accept its conditions on its page of the hub, "
                f"and set HF_TOKEN to a token of that account (the hub said {status})"
            )
        return CommandFailed(
            f"the hub refused {source.repo} ({status}): is it private? HF_TOKEN names who asks"
        )
    if status == 404:
        return CommandFailed(f"the hub has no {source.repo}")
    return CommandFailed(f"{source.repo}: the hub answered {status or str(error)}")


def _wanted(files: list[Remote], source: Source) -> Iterator[Remote]:
    """Those that are needed: of weights in several formats safetensors, else PyTorch's or ctranslate2's."""
    safe = {PurePosixPath(file.name).parent for file in files if file.name.endswith(".safetensors")}
    for file in files:
        path = PurePosixPath(file.name)
        doubled = path.match("pytorch_model*.bin*") and path.parent in safe
        hidden = path.name.startswith(".git")
        ignored = any(fnmatch(file.name, pattern) for pattern in source.ignore)
        if not (doubled or hidden or ignored or path.suffix in OTHER_FRAMEWORKS):
            yield file


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise CommandFailed(f"the hub lists a file outside of its folder: {name!r}")
    return path


def _git_hash(path: Path) -> str:
    """SHA-1 of a blob, as git makes it: over "blob", its length, NUL and its content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
