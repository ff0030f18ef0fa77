"""A drawing as plain data, written as SVG for the page or as PNG for a slide.

A `Scene` is a list of rectangles, lines, polygons, circles and texts in px, origin at the top left. Both writers read
the same list, so an exported PNG cannot differ from the figure in the report. Curves are sampled to polygons: seven
primitives would be needed otherwise, and arcs are where SVG and matplotlib disagree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from tumornexus.report.style import FONT, INK, PAPER

Point = tuple[float, float]


def number(value: float) -> str:
    """Write a coordinate with one decimal and without a trailing zero; refuse what is not finite."""
    if not math.isfinite(value):
        raise ValueError(f"a drawing needs finite coordinates, got {value}")
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


def arc(cx: float, cy: float, radius: float, start: float, stop: float, steps: int = 40) -> list[Point]:
    """Sample an arc; angles in degrees, 0 at twelve o'clock, clockwise."""
    angles = [math.radians(start + (stop - start) * i / steps) for i in range(steps + 1)]
    return [(cx + radius * math.sin(a), cy - radius * math.cos(a)) for a in angles]


def ring_sector(cx: float, cy: float, inner: float, outer: float, start: float, stop: float) -> list[Point]:
    """Corner points of an annular sector; angles as in `arc`."""
    return arc(cx, cy, outer, start, stop) + arc(cx, cy, inner, stop, start)


def bezier(p0: Point, p1: Point, p2: Point, p3: Point, steps: int = 28) -> list[Point]:
    """Sample a cubic Bezier curve."""
    out = []
    for i in range(steps + 1):
        t = i / steps
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        out.append((a * p0[0] + b * p1[0] + c * p2[0] + d * p3[0], a * p0[1] + b * p1[1] + c * p2[1] + d * p3[1]))
    return out


@dataclass
class Scene:
    """One figure: size in px, an accessible title and description, and its marks in drawing order.

    `ident` prefixes the ids of title and description and must be unique on a page.
    """

    width: float
    height: float
    ident: str
    title: str
    desc: str
    marks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def rect(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        *,
        fill: str = "none",
        stroke: str | None = None,
        width: float = 1.0,
        radius: float = 0.0,
        dash: str | None = None,
        opacity: float = 1.0,
        tip: str | None = None,
        key: str | None = None,
    ) -> None:
        """Add a rectangle with its top left corner at (x, y)."""
        self.marks.append(
            (
                "rect",
                {
                    "x": x,
                    "y": y,
                    "w": max(w, 0.0),
                    "h": max(h, 0.0),
                    "fill": fill,
                    "stroke": stroke,
                    "width": width,
                    "radius": radius,
                    "dash": dash,
                    "opacity": opacity,
                    "tip": tip,
                    "key": key,
                },
            )
        )

    def poly(
        self,
        points: Iterable[Point],
        *,
        closed: bool = False,
        fill: str = "none",
        stroke: str | None = None,
        width: float = 1.0,
        dash: str | None = None,
        opacity: float = 1.0,
        tip: str | None = None,
        key: str | None = None,
    ) -> None:
        """Add a polygon (`closed`) or a polyline."""
        self.marks.append(
            (
                "poly",
                {
                    "points": list(points),
                    "closed": closed,
                    "fill": fill,
                    "stroke": stroke,
                    "width": width,
                    "dash": dash,
                    "opacity": opacity,
                    "tip": tip,
                    "key": key,
                },
            )
        )

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        *,
        stroke: str = INK,
        width: float = 1.0,
        dash: str | None = None,
        opacity: float = 1.0,
        tip: str | None = None,
        key: str | None = None,
    ) -> None:
        """Add a straight line."""
        self.poly([(x1, y1), (x2, y2)], stroke=stroke, width=width, dash=dash, opacity=opacity, tip=tip, key=key)

    def circle(
        self,
        x: float,
        y: float,
        r: float,
        *,
        fill: str = "none",
        stroke: str | None = None,
        width: float = 1.0,
        dash: str | None = None,
        opacity: float = 1.0,
        tip: str | None = None,
        key: str | None = None,
    ) -> None:
        """Add a circle."""
        self.marks.append(
            (
                "circle",
                {
                    "x": x,
                    "y": y,
                    "r": r,
                    "fill": fill,
                    "stroke": stroke,
                    "width": width,
                    "dash": dash,
                    "opacity": opacity,
                    "tip": tip,
                    "key": key,
                },
            )
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12.0,
        fill: str = INK,
        anchor: str = "start",
        bold: bool = False,
        italic: bool = False,
        rotate: float = 0.0,
        halo: bool = False,
        tip: str | None = None,
        key: str | None = None,
    ) -> None:
        """Add one line of text with its baseline at y; `halo` sets it off from lines behind it."""
        self.marks.append(
            (
                "text",
                {
                    "x": x,
                    "y": y,
                    "text": str(text),
                    "size": size,
                    "fill": fill,
                    "anchor": anchor,
                    "bold": bold,
                    "italic": italic,
                    "rotate": rotate,
                    "halo": halo,
                    "tip": tip,
                    "key": key,
                },
            )
        )

    def badge(self, x: float, y: float, label: str, *, fill: str, r: float = 8.5, tip: str | None = None) -> None:
        """Add a filled circle with a white label, the mark that links a figure to another."""
        self.circle(x, y, r, fill=fill, stroke=PAPER, width=1.2, tip=tip)
        self.text(x, y + r * 0.42, label, size=r * 1.28, fill=PAPER, anchor="middle", bold=True, tip=tip)

    def hatch(self, x: float, y: float, w: float, h: float, *, stroke: str, gap: float = 5.0) -> None:
        """Fill a rectangle with slanted lines, the sign for *not measured*."""
        offset = gap / 2
        while offset < w + h:
            x1, x2 = max(0.0, offset - h), min(offset, w)
            if x2 > x1:
                self.line(x + x1, y + offset - x1, x + x2, y + offset - x2, stroke=stroke, width=0.9)
            offset += gap

    def svg(self, standalone: bool = False) -> str:
        """Write the scene as one SVG element; `standalone` adds the namespace and a white ground for a file."""
        head = (
            f'<svg class="figure" role="img" viewBox="0 0 {number(self.width)} {number(self.height)}" '
            f'width="{number(self.width)}" height="{number(self.height)}" '
            f'aria-labelledby="{self.ident}-t {self.ident}-d" font-family="{FONT}"'
        )
        if standalone:
            head += ' xmlns="http://www.w3.org/2000/svg"'
        out = [head + ">", f'<title id="{self.ident}-t">{escape(self.title)}</title>']
        out.append(f'<desc id="{self.ident}-d">{escape(self.desc)}</desc>')
        if standalone:
            out.append(f'<rect width="100%" height="100%" fill="{PAPER}"/>')
        out += [_svg_mark(kind, mark) for kind, mark in self.marks]
        out.append("</svg>")
        return "\n".join(out)

    def png(self, path: Path, scale: float = 2.0) -> None:
        """Write the scene as a PNG of `scale` pixels per px."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(self.width / 100, self.height / 100), dpi=100 * scale, facecolor=PAPER)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        axes.axis("off")
        for order, (kind, mark) in enumerate(self.marks):
            _draw_mark(axes, kind, mark, order)
        figure.savefig(path, format="png", metadata={"Software": None})


def _attributes(mark: dict[str, Any]) -> str:
    parts = [f'fill="{mark["fill"]}"']
    if mark.get("stroke"):
        parts.append(f'stroke="{mark["stroke"]}"')
        if mark["width"] != 1.0:
            parts.append(f'stroke-width="{mark["width"]:g}"')
        if mark["dash"]:
            parts.append(f'stroke-dasharray="{mark["dash"]}"')
    if mark.get("opacity", 1.0) != 1.0:
        parts.append(f'opacity="{mark["opacity"]:g}"')
    if mark.get("key"):
        parts.append(f'data-key="{escape(mark["key"])}"')
    return " ".join(parts)


def _svg_mark(kind: str, mark: dict[str, Any]) -> str:
    attributes = _attributes(mark)
    tip = f"<title>{escape(mark['tip'])}</title>" if mark.get("tip") else ""
    if kind == "rect":
        radius = f' rx="{number(mark["radius"])}"' if mark["radius"] else ""
        shape = (
            f'rect x="{number(mark["x"])}" y="{number(mark["y"])}" width="{number(mark["w"])}" '
            f'height="{number(mark["h"])}"{radius} {attributes}'
        )
        return f"<{shape}>{tip}</rect>" if tip else f"<{shape}/>"
    if kind == "circle":
        shape = f'circle cx="{number(mark["x"])}" cy="{number(mark["y"])}" r="{number(mark["r"])}" {attributes}'
        return f"<{shape}>{tip}</circle>" if tip else f"<{shape}/>"
    if kind == "poly":
        name = "polygon" if mark["closed"] else "polyline"
        points = " ".join(f"{number(x)},{number(y)}" for x, y in mark["points"])
        join = "" if mark["closed"] or len(mark["points"]) < 3 else ' stroke-linejoin="round"'
        shape = f'{name} points="{points}" {attributes}{join}'
        return f"<{shape}>{tip}</{name}>" if tip else f"<{shape}/>"
    extra = f' font-size="{mark["size"]:g}"'
    if mark["anchor"] != "start":
        extra += f' text-anchor="{mark["anchor"]}"'
    if mark["bold"]:
        extra += ' font-weight="600"'
    if mark["italic"]:
        extra += ' font-style="italic"'
    if mark["rotate"]:
        extra += f' transform="rotate({mark["rotate"]:g} {number(mark["x"])} {number(mark["y"])})"'
    if mark["halo"]:
        extra += f' stroke="{PAPER}" stroke-width="3" paint-order="stroke" stroke-linejoin="round"'
    return (
        f'<text x="{number(mark["x"])}" y="{number(mark["y"])}" {attributes}{extra}>{escape(mark["text"])}{tip}</text>'
    )


def _dashes(mark: dict[str, Any]) -> Any:
    """Translate an SVG dash list, in px, to matplotlib's, in points."""
    if not mark.get("dash"):
        return "solid"
    return (0, [float(v) * 0.72 for v in mark["dash"].replace(",", " ").split()])


def _draw_mark(axes: Any, kind: str, mark: dict[str, Any], order: int) -> None:
    from matplotlib import patches
    from matplotlib.lines import Line2D

    edge, face = mark.get("stroke") or "none", mark["fill"]
    look = {"alpha": mark.get("opacity", 1.0), "zorder": order}
    if kind == "text":
        style = "italic" if mark["italic"] else "normal"
        place = {"start": "left", "middle": "center", "end": "right"}[mark["anchor"]]
        artist = axes.text(
            mark["x"],
            mark["y"],
            mark["text"],
            fontsize=mark["size"] * (0.6 if mark["bold"] else 0.63),
            color=face,
            ha=place,
            va="baseline",
            fontweight="bold" if mark["bold"] else "normal",
            fontstyle=style,
            rotation=-mark["rotate"],
            rotation_mode="anchor",
            zorder=order,
            parse_math=False,
            fontfamily="DejaVu Sans",  # ships with matplotlib, so a PNG is the same everywhere; wide, hence 0.63
        )
        if mark["halo"]:
            from matplotlib import patheffects

            artist.set_path_effects([patheffects.withStroke(linewidth=2.2, foreground=PAPER)])
        return
    line = {"linewidth": mark["width"] * 0.72, "linestyle": _dashes(mark)}
    if kind == "poly" and not mark["closed"]:
        xs, ys = zip(*mark["points"], strict=True) if mark["points"] else ((), ())
        axes.add_line(Line2D(xs, ys, color=edge, **line, **look))
        return
    colors: dict[str, Any] = {"facecolor": face, "edgecolor": edge}
    if kind == "circle":
        axes.add_patch(patches.Circle((mark["x"], mark["y"]), mark["r"], **colors, **line, **look))
    elif kind == "rect":
        axes.add_patch(patches.Rectangle((mark["x"], mark["y"]), mark["w"], mark["h"], **colors, **line, **look))
    else:
        axes.add_patch(patches.Polygon(mark["points"], closed=True, **colors, **line, **look))


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic map from data to px."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the px position of `value`, held inside the axis."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.stop - self.start)

    def inside(self, value: float) -> bool:
        """Tell whether `value` lies on the axis."""
        return self.low <= value <= self.high


def nice_ticks(low: float, high: float, n: int = 5) -> Sequence[float]:
    """Return about `n` round numbers between `low` and `high`."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    raw = span / max(n, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0)), key=lambda s: abs(s - raw))
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
