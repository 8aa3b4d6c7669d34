"""`python -m benchmarks.gpu.qwen`: Qwen3-TTS of the published sizes, by the package itself and by Skylark.

The checkpoints are random ones of the published dimensions, made on the spot: nothing is downloaded, and what
they say is noise of the length that was asked for. Both speak the same text in the same run, in batches of 1
to 32: seconds of audio in a second, the time until the first audio, device memory at its highest. Then the
codec by itself. `--tiny` tries the program on a CPU.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.gpu.needs import missing

if TYPE_CHECKING:
    from benchmarks.gpu.runs import CodecRun, Run, Speaker
    from tests.backends.qwen_models import Place

HEADINGS = (
    "size",
    "rows",
    "package: audio s/s",
    "Skylark: audio s/s",
    "ratio",
    "package: first audio",
    "Skylark: first audio",
    "package: peak",
    "Skylark: peak",
)
Row = dict[str, "Run | str"]
"""What became of one batch, by who spoke it: a string says why nothing did."""


def main() -> int:
    chosen = arguments()
    lacking = missing()
    if lacking:
        print(
            "This machine lacks:",
            *lacking,
            "benchmarks/gpu/requirements.txt says how to bring it.",
            sep="\n  ",
        )
        return 2
    place = the_place(chosen)
    if isinstance(place, str):
        print(place)
        return 2
    print(machine(place), flush=True)
    with chosen_folder(chosen.folder) as folder:
        for size in chosen.sizes:
            measure(size, Path(folder) / size, place, chosen)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.qwen", description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["0.6B", "1.7B"], choices=["tiny", "0.6B", "1.7B"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--frames", type=int, default=63, help="of 80 ms, for each row; 63 are 5 s")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--dtype", default="auto", choices=["auto", "bfloat16", "float16", "float32"])
    parser.add_argument(
        "--folder", type=Path, help="where checkpoints are made, and stay; else they are deleted"
    )
    parser.add_argument(
        "--json", type=Path, help="every figure as one JSON object a line, added to this file"
    )
    parser.add_argument("--skip-package", action="store_true", help="measure Skylark alone")
    parser.add_argument("--tiny", action="store_true", help="try the program: tiny models on the CPU")
    chosen = parser.parse_args()
    if chosen.tiny:
        chosen.sizes, chosen.batches, chosen.frames, chosen.device = ["tiny"], [1, 2], 8, "cpu"
    return chosen


def the_place(chosen: argparse.Namespace) -> Place | str:
    """Where to measure, or why it cannot be there."""
    import torch

    from servers.backends._qwen3_tts.checkpoint import chosen_dtype, usable_device
    from servers.errors import ModelLoadFailed
    from tests.backends.qwen_models import Place

    try:
        device = usable_device(chosen.device)
    except ModelLoadFailed as error:
        return f"{error.message}; --tiny tries the program on a CPU"
    dtype: torch.dtype = chosen_dtype(chosen.dtype, device)
    return Place(str(device), str(dtype).removeprefix("torch."))


def machine(place: Place) -> str:
    import torch

    name = (
        torch.cuda.get_device_name(place.device) if place.device != "cpu" else platform.processor() or "CPU"
    )
    return f"{name}, {place.dtype}, torch {torch.__version__}, Python {platform.python_version()}"


def chosen_folder(folder: Path | None) -> AbstractContextManager[str | Path]:
    return tempfile.TemporaryDirectory(prefix="qwen-") if folder is None else nullcontext(folder)


def measure(size: str, folder: Path, place: Place, chosen: argparse.Namespace) -> None:
    """Prints the table of one size."""
    from benchmarks.gpu import runs
    from benchmarks.gpu.checkpoints import write_endless

    begun = time.perf_counter()
    write_endless(folder, size, place)
    runs.give_memory_back(place.device)
    keep(chosen.json, {"size": size, "machine": machine(place), "frames": chosen.frames})
    note(f"{size}: checkpoint made in {time.perf_counter() - begun:.1f} s")
    rows: dict[int, Row] = {batch: {} for batch in chosen.batches}
    if not chosen.skip_package:
        spoken_by("package", lambda: runs.Upstream(folder, place), rows, chosen)
        runs.give_memory_back(place.device)
    spoken_by("Skylark", lambda: runs.Ours(folder, place, max(rows)), rows, chosen)
    runs.give_memory_back(place.device)
    print(table(size, rows), flush=True)
    found = runs.codec(loaded_codec(folder, place), place)
    keep(chosen.json, {"codec": asdict(found)})
    print(codec_lines(found), flush=True)


def spoken_by(
    who: str, load: Callable[[], Speaker], rows: dict[int, Row], chosen: argparse.Namespace
) -> None:
    begun = time.perf_counter()
    speaker = load()
    note(f"{who} loaded in {time.perf_counter() - begun:.1f} s")
    for batch, row in rows.items():
        row[who] = found = one_batch(speaker, batch, chosen.frames)
        figures = {"failed": found} if isinstance(found, str) else asdict(found)
        keep(chosen.json, {"who": who, "rows": batch, **figures})
        note(f"{who}, {batch} rows: {figures}")


def one_batch(speaker: Speaker, batch: int, frames: int) -> Run | str:
    """Said once to warm up, and once to be measured."""
    import torch

    from benchmarks.gpu.runs import WARM_UP_FRAMES

    try:
        speaker.speak(batch, WARM_UP_FRAMES)
        return speaker.speak(batch, frames)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return "out of memory"


def loaded_codec(folder: Path, place: Place) -> object:
    import torch
    from qwen_tts import Qwen3TTSTokenizer

    dtype = getattr(torch, place.dtype)
    return Qwen3TTSTokenizer.from_pretrained(
        str(folder / "speech_tokenizer"), device_map=place.device, dtype=dtype
    ).model


def table(size: str, rows: dict[int, Row]) -> str:
    """Markdown."""
    lines = ["", f"| {' | '.join(HEADINGS)} |", f"| --- |{' ---: |' * (len(HEADINGS) - 1)}"]
    lines += [f"| {' | '.join(cells(size, batch, row))} |" for batch, row in rows.items()]
    return "\n".join(lines) + "\n"


def cells(size: str, batch: int, row: Row) -> Sequence[str]:
    package, skylark = row.get("package", "–"), row["Skylark"]
    both = not isinstance(package, str) and not isinstance(skylark, str)
    return (
        size,
        str(batch),
        shown(package, lambda run: f"{run.speed:.2f}"),
        shown(skylark, lambda run: f"{run.speed:.2f}"),
        f"{skylark.speed / package.speed:.2f}" if both else "–",
        shown(package, lambda run: milliseconds(run.first_audio_s)),
        shown(skylark, lambda run: milliseconds(run.first_audio_s)),
        shown(package, lambda run: "–" if run.peak_mb is None else f"{run.peak_mb:.0f} MB"),
        shown(skylark, lambda run: "–" if run.peak_mb is None else f"{run.peak_mb:.0f} MB"),
    )


def shown(found: Run | str, figure: Callable[[Run], str]) -> str:
    return found if isinstance(found, str) else figure(found)


def codec_lines(found: CodecRun) -> str:
    return (
        f"codec by chunks, largest difference to the whole: {found.difference:.1e}, "
        f"the whole's RMS is {found.whole_rms:.2f}\n"
        f"codec, one frame: {milliseconds(found.one_frame_s)}; with the 25 before it once more, "
        f"as without a memory: {milliseconds(found.upstream_s)}\n"
        f"codec, 12 frames: {milliseconds(found.twelve_frames_s)}; "
        f"of 8 rows at once: {milliseconds(found.eight_rows_of_twelve_s)}\n"
    )


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.{0 if seconds > 0.1 else 2}f} ms"


def note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def keep(file: Path | None, figures: dict[str, object]) -> None:
    if file is not None:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    sys.exit(main())
