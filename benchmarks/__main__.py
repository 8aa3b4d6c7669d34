"""`scripts/bench [NAME …]`: runs the benchmarks of those names, or all, and prints what they found."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

from benchmarks import (
    accepted,
    alignment,
    arbiters,
    arrivals,
    background,
    containers,
    doors,
    endurance,
    fuzz,
    fuzz_audio,
    kill,
    load,
    month,
    page,
    peers,
    queue,
    qwen,
    recognition,
    reply,
    resumes,
    rpc,
    schemas,
    sentence,
    siege,
    streams,
    trace,
    visitors,
    zombies,
)
from benchmarks.figures import Figure, table

BENCHMARKS = {
    "sentence": lambda _: sentence.measure(),
    "alignment": lambda _: alignment.measure(),
    "accepted": lambda chosen: accepted.measure(chosen.works, chosen.kills, chosen.seed),
    "arbiters": lambda chosen: arbiters.measure(chosen.kills),
    "load": lambda chosen: load.measure(chosen.seconds),
    "month": lambda chosen: month.measure(chosen.days, chosen.seed),
    "queue": lambda _: queue.measure(),
    "kill": lambda chosen: kill.measure(chosen.kills, chosen.store, chosen.side_by_side),
    "containers": lambda chosen: containers.measure(chosen.image, chosen.terms),
    "doors": lambda chosen: doors.measure(chosen.kills),
    "endurance": lambda chosen: endurance.measure(chosen.jobs),
    "trace": lambda chosen: trace.measure(chosen.trace_jobs),
    "zombies": lambda chosen: zombies.measure(chosen.stops),
    "fuzz": lambda chosen: fuzz.measure(chosen.bodies),
    "schemas": lambda chosen: schemas.measure(chosen.examples),
    "reply": lambda chosen: reply.measure(chosen.texts),
    "siege": lambda chosen: siege.measure(chosen.slow, chosen.waiting, chosen.seconds),
    "streams": lambda chosen: streams.measure(chosen.streams),
    "resumes": lambda chosen: resumes.measure(chosen.streams, chosen.seed),
    "qwen": lambda _: qwen.measure(),
    "arrivals": lambda chosen: arrivals.measure(chosen.seconds),
    "background": lambda chosen: background.measure(chosen.seconds),
    "fuzz-audio": lambda chosen: fuzz_audio.measure(chosen.files),
    "peers": lambda chosen: peers.measure(chosen.peer, chosen.rounds, chosen.checkpoint),
    "recognition": lambda chosen: recognition.measure(chosen.minutes, chosen.whisper),
    "visitors": lambda _: visitors.measure(),
    "page": lambda _: page.measure(),
    "rpc": lambda chosen: rpc.measure(chosen.streams),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the load lasts")
    parser.add_argument("--kills", type=int, default=50, help="how often something is killed")
    parser.add_argument("--works", type=int, default=60, help="how much work is accepted while it is off")
    parser.add_argument("--stops", type=int, default=20, help="how many runners are stopped past their lease")
    parser.add_argument(
        "--streams", type=int, default=1000, help="how many streams, or sessions, are dropped or cancelled"
    )
    parser.add_argument("--seed", type=int, default=1, help="what lots are drawn with")
    parser.add_argument("--days", type=int, default=2000, help="how many random days the months have")
    parser.add_argument("--bodies", type=int, default=2500, help="how many odd bodies are sent")
    parser.add_argument(
        "--examples", type=int, default=200, help="how many random requests each operation of a document has"
    )
    parser.add_argument("--texts", type=int, default=500, help="how many texts one request has")
    parser.add_argument("--slow", type=int, default=1000, help="how many slow clients beset each port")
    parser.add_argument("--waiting", type=int, default=300, help="how many honest ones wait meanwhile")
    parser.add_argument("--jobs", type=int, default=50_000, help="how many no-op jobs the endurance takes")
    parser.add_argument("--files", type=int, default=200, help="how many damaged recordings are sent")
    parser.add_argument("--trace-jobs", type=int, default=1000, help="how many jobs the mixed trace has")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long the recognised recording is")
    parser.add_argument(
        "--whisper", type=Path, help="a folder in ctranslate2's form; a tiny random one without"
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="a server beside: see benchmarks/peers.py",
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often it and Skylark have their turn")
    parser.add_argument("--checkpoint", type=Path, help="the Qwen3-TTS that it and Skylark speak with")
    parser.add_argument("--store", choices=kill.STORES, default="sqlite", help="where the queue is kept")
    parser.add_argument(
        "--side-by-side", type=int, default=1, metavar="N", help="engines that share the kills"
    )
    parser.add_argument("--image", help="the image that is measured; it is built without")
    parser.add_argument("--terms", type=int, default=20, help="how often a container is sent SIGTERM")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; known are {', '.join(BENCHMARKS)}")
    figures: dict[str, list[Figure]] = {}
    for name in arguments.names or BENCHMARKS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures[name] = BENCHMARKS[name](arguments)
    if arguments.json:
        print(json.dumps({name: [vars(f) for f in found] for name, found in figures.items()}, indent=2))
    else:
        print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
        for name, found in figures.items():
            print(table(name, found))
    return 0 if all(figure.reached for found in figures.values() for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
