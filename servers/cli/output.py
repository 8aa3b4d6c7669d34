"""What the commands print, and how they end: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from enum import IntEnum
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperGroup

from servers.cli.failures import CommandFailed, ConfigError, Unreachable, WrongUsage
from servers.errors import (
    EngineUnavailable,
    RegistryUnavailable,
    SettingsError,
    SkylarkError,
    SourceUnreachable,
    UnknownCheckpoint,
    UnknownSource,
)

if TYPE_CHECKING:  # a command that draws nothing does not wait for rich
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])
"""What typer raises for arguments that it cannot read; the class itself has no public name."""

WIDTH_OF_A_PIPE = 200


class ExitCode(IntEnum):
    """How every command ends."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130


EXIT_CODES = (
    "Exit codes: 0 all went well, 1 something failed, 2 wrong usage or configuration, "
    "3 a server cannot be reached, 130 interrupted. Errors are one line on stderr."
)


class Group(TyperGroup):
    """Ends with one clear line and an exit code where a command raises what it was not written to mend."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _one_line():
                return super().invoke(ctx)
        except (Unreachable, EngineUnavailable, RegistryUnavailable, SourceUnreachable) as error:
            _end(str(error), ExitCode.UNREACHABLE)
        except (WrongUsage, ConfigError, SettingsError, UnknownCheckpoint, UnknownSource) as error:
            _end(str(error), ExitCode.USAGE)
        except SkylarkError as error:
            _end(describe(error), ExitCode.FAILED)
        except CommandFailed as error:
            _end(str(error), ExitCode.FAILED)
        except BrokenPipeError:  # | head: nobody reads on, which is no failure to speak of
            raise
        except OSError as error:
            _end(f"{error.filename or ''}: {error.strerror or error}".lstrip(": "), ExitCode.FAILED)
        except KeyboardInterrupt:
            _end("interrupted", ExitCode.INTERRUPTED)


@contextmanager
def _one_line() -> Iterator[None]:
    """Arguments that cannot be read are told in one line, and not below a picture of how to use it."""
    try:
        yield
    except UsageError as error:
        if error.__class__.__name__ == "NoArgsIsHelpError":  # it is no complaint, but the help
            raise
        _end(_usage(error), ExitCode.USAGE)


def _usage(error: Any) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    unknown = getattr(error, "option_name", "")
    if unknown.startswith("-") and not unknown.startswith("--"):
        message += "; a text that begins with a dash stands after --"
    return f"{message}; `{error.ctx.command_path} --help` says what is possible" if error.ctx else message


def _end(message: str, code: ExitCode) -> None:
    complain(message)
    raise typer.Exit(code)


def describe(error: SkylarkError) -> str:
    """The error in one line, with the field's name where the message does not have it."""
    line = " ".join(error.message.split())
    return f"{error.param}: {line}" if error.param and error.param not in line else line


def complain(message: str) -> None:
    print(f"skylark: {message}", file=sys.stderr)


def note_ignored(fields: Iterable[str]) -> None:
    """Says what the client asked for in vain; nothing where there is nothing."""
    if names := ", ".join(sorted(fields)):
        complain(f"the model ignored: {names}")


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Columns of plain text; numbers should come formatted."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, no_wrap=heading != "error", min_width=36 if heading == "id" else None)
    for row in rows:
        made.add_row(*row)
    return made


def console() -> Console:
    """Standard output for text that is no markup."""
    from rich.console import Console

    made = Console(highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = WIDTH_OF_A_PIPE
    return made


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    console().print(table(headings, rows))


def table_lines(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The same as lines; it is no wider than the terminal."""
    shown = console()
    with shown.capture() as captured:
        shown.print(table(headings, rows))
    yield from (line.rstrip() for line in captured.get().splitlines())


def print_words(words: Iterable[dict[str, Any]]) -> None:
    """A table of timed words, as /align and /transcribe answer them."""
    print_table(
        ("word", "start", "end", "score"),
        (
            (
                word["word"],
                f"{word['start']:8.3f}",
                f"{word['end']:8.3f}",
                "-" if word["score"] is None else f"{word['score']:5.2f}",
            )
            for word in words
        ),
    )


@contextmanager
def progress(total: int, what: str) -> Iterator[Progress | None]:
    """A bar on stderr: for more than one item, and where someone is looking."""
    with _bar(what, total, counts=True) if total > 1 else nullcontext() as bar:
        yield bar


@contextmanager
def how_far(what: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on stderr for one long thing, where someone is looking: it is told the fraction that is done, and
    what is being done.
    """
    with _bar(what, 1.0, counts=False) as bar:

        def show(fraction: float, what: str) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], description=what, completed=fraction)

        yield show


@contextmanager
def listening(count: int, what: str) -> Iterator[Callable[[int, float | None], None]]:
    """A bar on stderr for recordings, where someone is looking: it is told how many are done, and which
    fraction of the next one; None is not known, or queued.
    """
    with _bar(what, count, counts=count > 1) as bar:

        def show(done: int, fraction: float | None) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done + (fraction or 0.0))

        yield show


@contextmanager
def _bar(what: str, total: float, *, counts: bool) -> Iterator[Progress | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    done = MofNCompleteColumn() if counts else TaskProgressColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), done, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        bar.add_task(what, total=total)
        yield bar


def advance(bar: Progress | None, count: int = 1) -> None:
    if bar is not None:
        bar.advance(bar.task_ids[0], count)
