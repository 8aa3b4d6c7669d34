"""A measured figure beside what it is to reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`limit` is the most that it may be; None is told for information."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def reached(self) -> bool:
        return self.limit is None or self.value <= self.limit


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Sequence[float]) -> float:
    return percentile(values, 50)


def table(title: str, figures: Sequence[Figure]) -> str:
    """A Markdown table."""
    rows = [f"### {title}", "", "| figure | measured | at most | |", "| --- | ---: | ---: | --- |"]
    for figure in figures:
        limit = "" if figure.limit is None else f"{figure.limit:g} {figure.unit}"
        verdict = "" if figure.limit is None else ("reached" if figure.reached else "**missed**")
        value = f"{figure.value:,}" if isinstance(figure.value, int) else f"{figure.value:.4g}"
        rows.append(f"| {figure.name} | {value} {figure.unit} | {limit} | {verdict} |")
    return "\n".join(rows) + "\n"
