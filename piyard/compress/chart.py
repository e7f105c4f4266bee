"""Accuracy against time as a plot: SVG for a browser, characters for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from string import ascii_lowercase
from typing import Literal, NamedTuple

from piyard.compress.summary import Row, short_name

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 24, 24, 56
"""Margins, in pixels."""
COLUMNS, LINES = 80, 16
"""Characters of the plot in a terminal, its frame included."""
ROOM = 0.08
"""Of the range, kept free at each end."""
SVG_BEGINNING = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    'font-family="sans-serif" font-size="12" role="img">'
)
FAR_POINTS = 20.0
TICKS = 5
"""Lines across the picture, and up."""
LABEL_LETTER, LABEL_LINE = 6.6, 12
"""Pixels that a letter is wide, about, and that a line is high."""
LABEL_ASIDE, LABEL_ROWS = 8, (-6, 14, -20, 28, -34, 42)
"""Pixels from a dot to its name, and where that may stand above and below it, best first."""
DOT = 4.5
"""Radius, in pixels."""


class Point(NamedTuple):
    """A row in the plot."""

    name: str
    work: float
    accuracy: float
    is_best: bool


class Scale(NamedTuple):
    """A range of values, and where they are drawn."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        return (value - self.low) / (self.high - self.low)


def plot_points(rows: Sequence[Row]) -> list[Point]:
    """Rows whose accuracy is known and not ``FAR_POINTS`` below the original's.

    A step that was not tuned yet would push all others together.
    """
    original = rows[0].judged
    least = (original.accuracy or 0) - FAR_POINTS
    return [
        Point(short_name(each.model, original.model), each.work, each.accuracy, row.is_best)
        for row in rows
        if (each := row.judged).accuracy is not None and each.accuracy >= least
    ]


def fit_scale(values: Sequence[float], *, least: float, most: float) -> Scale:
    """A range with some room at both ends, within what such values can be."""
    low, high = min(values), max(values)
    room = ROOM * (high - low) or max(abs(high) * ROOM, 0.5)
    return Scale(max(least, low - room), min(most, high + room))


def _scales(points: Sequence[Point]) -> tuple[Scale, Scale]:
    across = fit_scale([point.work for point in points], least=0.0, most=float("inf"))
    up = fit_scale([point.accuracy for point in points], least=0.0, most=100.0)
    if up.low == up.high:
        up = Scale(up.low - 1, up.high)
    return across, up


def draw_text(rows: Sequence[Row], unit: str) -> str:
    """In ``COLUMNS`` characters a line: ``a`` is the first model, capital where none beats it."""
    points = plot_points(rows)
    if len(points) < 2:
        return ""
    across, up = _scales(points)
    inside = COLUMNS - len(_tick(up.high)) - 3
    grid = [[" "] * inside for _ in range(LINES)]
    for number, point in enumerate(points):
        row = LINES - 1 - round(up.place(point.accuracy) * (LINES - 1))
        column = round(across.place(point.work) * (inside - 1))
        _put(grid[row], column, _letter(number, best=point.is_best))
    ticks = {0: _tick(up.high), LINES - 1: _tick(up.low)}
    width = max(map(len, ticks.values()))
    lines = [f"{ticks.get(at, ''):>{width}} |{''.join(line)}" for at, line in enumerate(grid)]
    ends = f"{_tick(across.low)} {unit}", f"{_tick(across.high)} {unit}"
    axis = " " * width + " +" + "-" * inside
    foot = " " * (width + 2) + ends[0] + ends[1].rjust(inside - len(ends[0]))
    metric = rows[0].judged.metric
    names = [
        f"{_letter(number, best=point.is_best)} {point.name}" for number, point in enumerate(points)
    ]
    return "\n".join([f"{metric}, percent", *(line.rstrip() for line in lines), axis, foot, *names])


def _put(line: list[str], column: int, letter: str) -> None:
    """Beside the place where it is taken."""
    while line[column] != " " and column + 1 < len(line):
        column += 1
    line[column] = letter


def _letter(number: int, *, best: bool) -> str:
    letter = ascii_lowercase[number % len(ascii_lowercase)]
    return letter.upper() if best else letter


def _tick(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def draw_svg(rows: Sequence[Row], title: str, unit: str) -> str:
    """A picture that needs nothing else; empty for fewer than two points."""
    points = plot_points(rows)
    if len(points) < 2:
        return ""
    across, up = _scales(points)
    inner = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)

    def x(value: float) -> float:
        return LEFT + across.place(value) * inner[0]

    def y(value: float) -> float:
        return TOP + (1 - up.place(value)) * inner[1]

    best = sorted((point for point in points if point.is_best), key=lambda point: point.work)
    line = " ".join(f"{x(point.work):.1f},{y(point.accuracy):.1f}" for point in best)
    metric = rows[0].judged.metric
    parts = [
        SVG_BEGINNING,
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_axes(across, up, x, y, (f"{unit} an inference", f"{metric}, percent")),
        f'<polyline points="{line}" fill="none" stroke="#2a7" stroke-width="1.5"/>',
        *draw_points([Dot(each, x(each.work), y(each.accuracy)) for each in points]),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _axes(
    across: Scale,
    up: Scale,
    x: Callable[[float], float],
    y: Callable[[float], float],
    titles: tuple[str, str],
) -> Iterator[str]:
    """Grid, numbers and what they are of."""
    foot, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in _steps(across):
        yield f'<path d="M{x(value):.1f} {TOP}V{foot}" stroke="#ddd"/>'
        yield _text(x(value), foot + 16, _tick(value), "middle")
    for value in _steps(up):
        yield f'<path d="M{LEFT} {y(value):.1f}H{right}" stroke="#ddd"/>'
        yield _text(LEFT - 8, y(value) + 4, _tick(value), "end")
    yield _text((LEFT + right) / 2, HEIGHT - 12, titles[0], "middle")
    yield _text(LEFT, TOP - 8, titles[1], "start")


def _steps(scale: Scale) -> list[float]:
    """Round numbers within the range, some ``TICKS`` of them."""
    raw = (scale.high - scale.low) / TICKS
    unit = 10 ** floor(log10(raw))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= raw)
    first = ceil(scale.low / step)
    return [number * step for number in range(first, floor(scale.high / step) + 1)]


class Dot(NamedTuple):
    """A point and its place in the picture."""

    point: Point
    x: float
    y: float

    @property
    def box(self) -> Box:
        """What it covers."""
        return Box(self.x - DOT, self.y - DOT, self.x + DOT, self.y + DOT)


class Box(NamedTuple):
    """A part of the picture, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether they have a pixel in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    @property
    def is_inside(self) -> bool:
        """Of the picture."""
        return self.left >= 0 and self.right <= WIDTH and self.top >= 0 and self.bottom <= HEIGHT


class Label(NamedTuple):
    """A name beside a dot: where it begins or ends, and on which line it stands."""

    text: str
    x: float
    y: float
    anchor: Literal["start", "end"]

    @property
    def box(self) -> Box:
        """What it covers, about."""
        wide = LABEL_LETTER * len(self.text)
        left = self.x if self.anchor == "start" else self.x - wide
        return Box(left, self.y - LABEL_LINE, left + wide, self.y)


def draw_points(dots: Sequence[Dot]) -> Iterator[str]:
    """Dots with their names."""
    for dot in dots:
        colour = "#2a7" if dot.point.is_best else "#888"
        yield f'<circle cx="{dot.x:.1f}" cy="{dot.y:.1f}" r="{DOT}" fill="{colour}"/>'
    for label in place_labels(dots):
        yield _text(label.x, label.y, label.text, label.anchor)


def place_labels(dots: Sequence[Dot]) -> list[Label]:
    """A name beside each dot: in the picture, and on no dot or other name where there is room."""
    taken = [dot.box for dot in dots]
    labels: list[Label] = []
    for dot in dots:
        choices = [label for label in _list_labels(dot) if label.box.is_inside]
        free = [label for label in choices if not any(map(label.box.overlaps, taken))]
        labels.append((free or choices or list(_list_labels(dot)))[0])
        taken.append(labels[-1].box)
    return labels


def _list_labels(dot: Dot) -> Iterator[Label]:
    for row in LABEL_ROWS:
        yield Label(dot.point.name, dot.x + LABEL_ASIDE, dot.y + row, "start")
        yield Label(dot.point.name, dot.x - LABEL_ASIDE, dot.y + row, "end")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
