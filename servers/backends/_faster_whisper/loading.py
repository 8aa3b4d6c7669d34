"""Whisper from its folder, by the package faster-whisper."""

from __future__ import annotations

import os
from typing import Any

from servers.backends._whisper.device import Device
from servers.backends._whisper.folders import Folder, library_errors
from servers.errors import ModelLoadFailed
from servers.extras import require

EXTRA = "faster-whisper"


def import_library() -> None:
    """Raises MissingExtra where faster-whisper is not installed, ModelLoadFailed where it cannot work."""
    require(EXTRA, "faster_whisper")
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when it is imported: nothing is downloaded at run time
    try:
        import faster_whisper  # noqa: F401
    except (ImportError, OSError) as error:  # versions that do not fit, or a library missing
        raise ModelLoadFailed(f"faster-whisper cannot be imported ({error})") from error


def whisper(folder: Folder, device: Device, threads: int) -> Any:
    """A faster_whisper.WhisperModel. Raises ModelLoadFailed."""
    from faster_whisper import WhisperModel

    folder.check_whisper()
    with library_errors(folder):
        return WhisperModel(
            str(folder.path),
            device=device.kind,
            device_index=device.index,
            compute_type=device.compute_type,
            cpu_threads=threads or os.cpu_count() or 1,
            local_files_only=True,
        )
