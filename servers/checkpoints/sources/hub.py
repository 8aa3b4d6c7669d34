"""A repository of the Hugging Face hub: its files one after the other, resumed where a pull stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import requests

from servers.checkpoints.entries import Repository
from servers.checkpoints.folders import UNFINISHED
from servers.checkpoints.sources import Listing, RemoteFile
from servers.errors import PullFailed, SkylarkError, SourceUnreachable
from servers.extras import require

ANSWER_S = 10.0
"""A network that drops what it does not let through would hold a pull up for minutes."""
OTHER_FRAMEWORKS = (".msgpack", ".h5", ".onnx", ".tflite", ".ot")


class Hub:
    """A checkpoint of the hub at `url`; None is the hub that huggingface_hub knows.

    Raises MissingExtra without that library.
    """

    def __init__(self, spec: Repository, url: str | None) -> None:
        require("hub", "huggingface_hub")
        os.environ["HF_HUB_DISABLE_XET"] = "1"  # its transfers cannot be resumed inside a file
        import huggingface_hub.errors
        import huggingface_hub.utils

        huggingface_hub.utils.disable_progress_bars()  # pull.py tells of all files together
        self._hub: Any = huggingface_hub
        self._spec = spec
        self._url = url.rstrip("/") if url else None

    def listing(self) -> Listing:
        """The files of the commit that the entry's revision means today."""
        api = self._hub.HfApi(endpoint=self._url)
        with self._errors():
            info = api.model_info(
                self._spec.repo, revision=self._spec.revision, files_metadata=True, timeout=ANSWER_S
            )
        files = [
            RemoteFile(one.rfilename, one.size, one.lfs.sha256 if one.lfs else None, one.blob_id)
            for one in info.siblings
        ]
        wanted = _renamed(files, self._spec.paths) if self._spec.paths else _wanted(files, self._spec)
        return Listing(f"{self._address()}/{self._spec.repo}", info.sha, tuple(wanted))

    def fetch(self, file: RemoteFile, revision: str, folder: Path) -> None:
        path = self._spec.paths.get(file.name)
        to = folder if path is None else folder / UNFINISHED / "hub"  # where the file has its name of there
        (to / (path or file.name)).unlink(missing_ok=True)  # the library takes what is there for right
        with self._errors():
            fetched = self._hub.hf_hub_download(
                self._spec.repo, path or file.name, revision=revision, local_dir=to, endpoint=self._url
            )
        if path is not None:
            (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
            Path(fetched).replace(folder / file.name)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What goes wrong at the hub, in one line that says what to do."""
        errors = self._hub.errors
        try:
            yield
        except errors.RevisionNotFoundError:
            raise PullFailed(f"{self._spec.repo} has no revision {self._spec.revision!r}") from None
        except errors.HfHubHTTPError as error:
            raise _refusal(self._spec, error) from None
        except errors.OfflineModeIsEnabled:
            raise PullFailed("nothing can be pulled while HF_HUB_OFFLINE=1 is set") from None
        except (requests.ConnectionError, requests.Timeout) as error:
            raise SourceUnreachable(
                f"the hub cannot be reached ({type(error).__name__}): {self._address()}"
            ) from None
        except requests.RequestException as error:
            broken = f"the download broke off ({type(error).__name__})"
            raise PullFailed(f"{self._spec.repo}: {broken}: pull again, and it goes on") from None

    def _address(self) -> str:
        return self._url or str(self._hub.constants.ENDPOINT)


def _refusal(spec: Repository, error: Any) -> SkylarkError:
    """The error for a reply that is none: an unreachable hub hides in one of these, as its cause."""
    if isinstance(error.__cause__, requests.ConnectionError | requests.Timeout):
        return SourceUnreachable(f"the hub cannot be reached ({type(error.__cause__).__name__})")
    status = error.response.status_code if error.response is not None else None
    if status in (401, 403):
        if spec.gated:
            return PullFailed(
                f"{spec.repo} is gated: accept its conditions on its page of the hub, "
                f"and set HF_TOKEN to a token of that account (the hub said {status})"
            )
        return PullFailed(f"the hub refused {spec.repo} ({status}): is it private? HF_TOKEN names who asks")
    if status == 404:
        return PullFailed(f"the hub has no {spec.repo}")
    return PullFailed(f"{spec.repo}: the hub answered {status or str(error)}")


def _renamed(files: list[RemoteFile], paths: Mapping[str, str]) -> Iterator[RemoteFile]:
    """Those that the entry names, under the names that they are to have."""
    by_path = {file.name: file for file in files}
    for name, path in paths.items():
        if path in by_path:
            yield replace(by_path[path], name=name)


def _wanted(files: list[RemoteFile], spec: Repository) -> Iterator[RemoteFile]:
    """Those that are needed: of weights in several formats safetensors, else PyTorch's or ctranslate2's."""
    safe = {PurePosixPath(file.name).parent for file in files if file.name.endswith(".safetensors")}
    for file in files:
        path = PurePosixPath(file.name)
        doubled = path.match("pytorch_model*.bin*") and path.parent in safe
        hidden = path.name.startswith(".git")
        ignored = any(fnmatch(file.name, pattern) for pattern in spec.ignore)
        if not (doubled or hidden or ignored or path.suffix in OTHER_FRAMEWORKS):
            yield file
