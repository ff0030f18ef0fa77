"""What the figures of a virtual trial share: panels an arm, axes of months, the colors of a response."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tumornexus.report.scene import Axis, Scene
from tumornexus.report.style import CRIMSON, INK, MUTED, NAVY, NAVY_TINT, PAPER, RULE, shorten, text_width, wrap
from tumornexus.report.trial_view import DASHES, RESPONSE_WORDS, RESPONSES, TrialArm, TrialView

WIDE = 1160.0
RESPONSE_COLORS = {"CR": NAVY, "PR": NAVY_TINT, "SD": "#c3cad1", "PD": CRIMSON, "NE": PAPER}
"""Dark to light where the tumor shrinks, crimson where it grows; they differ in lightness, so also in gray."""


def months_ticks(horizon: float, room: float = 700.0) -> list[float]:
    """Return whole months from 0 to the horizon, as many as there is room for (48 px each)."""
    most = max(2.0, room / 48.0)
    step = next((s for s in (1, 3, 6, 12, 24) if horizon / s <= most), 60)
    return [float(m) for m in range(0, int(horizon + 1e-9) + 1, step)]


def months_axis(scene: Scene, x: Axis, y: float, label: str | None) -> None:
    """Draw ticks of months below `y`, and what they count."""
    scene.line(x.start, y, x.stop, y, stroke=MUTED, width=0.9)
    for month in months_ticks(x.high, x.stop - x.start):
        scene.line(x(month), y, x(month), y + 4, stroke=MUTED, width=0.9)
        scene.text(x(month), y + 16, f"{month:g}", size=10.5, anchor="middle", fill=MUTED)
    if label:
        scene.text((x.start + x.stop) / 2, y + 33, label, size=11, anchor="middle", fill=MUTED)


def arm_mark(
    scene: Scene, x: float, y: float, arm: TrialArm, size: float = 12.0, room: float = 200.0, lines: int = 1
) -> None:
    """Write an arm's name after a stroke of its line, with the baseline at `y`; `lines` 2 breaks a long name."""
    strokes = {None: [(0, 22)], DASHES[1]: [(0, 9), (13, 22)], DASHES[2]: [(0, 4), (6, 10), (12, 16), (18, 22)]}
    for start, stop in strokes[arm.dash]:
        scene.line(x + start, y - 4, x + stop, y - 4, stroke=arm.color, width=3, key=arm.key)
    if lines == 1 or fits(arm, size, room):
        said = [(y, shorten(arm.name, size, room - 28, True))]
    else:
        size -= 1.5
        said = [(y + shift, line) for shift, line in zip((-6, 7), wrap(arm.name, size * 1.06, room - 28), strict=False)]
    for at, line in said:
        scene.text(x + 28, at, line, size=size, bold=True, tip=arm.name, key=arm.key)


def fits(arm: TrialArm, size: float, room: float) -> bool:
    """Tell whether an arm's name fits beside its stroke on one line."""
    return text_width(arm.name, size, True) <= room - 28


def panels(view: TrialView, height: float, top: float, gap: float = 34.0) -> tuple[float, float, Iterator]:
    """Lay out a panel for each arm, at most three in a row.

    Returns width and height of the scene and, for each arm, itself with the left edge, top and width of its panel.
    """
    n = len(view.arms)
    columns = {1: 1, 2: 2, 4: 2}.get(n, 3)
    whole = 720.0 if n == 1 else WIDE
    width = (whole - gap * (columns - 1)) / columns
    rows = -(-n // columns)

    def places() -> Iterator[tuple[TrialArm, float, float, float]]:
        for i, arm in enumerate(view.arms):
            yield arm, (i % columns) * (width + gap), top + (i // columns) * height, width

    return whole, top + rows * height, places()


def response_key(
    scene: Scene, x: float, y: float, shown: Sequence[str] = RESPONSES, *, full: bool = True
) -> float:  # fmt: skip
    """Draw the colors of responses in a row with the baseline at `y`; return where it ends."""
    for name in shown:
        edge = MUTED if name == "NE" else RESPONSE_COLORS[name]
        scene.rect(x, y - 9, 11, 11, fill=RESPONSE_COLORS[name], stroke=edge, width=0.8)
        said = RESPONSE_WORDS[name] if full else name
        scene.text(x + 16, y, said, size=11, fill=INK)
        x += 16 + text_width(said, 11) + 18
    return x


def change_axis(scene: Scene, y: Axis, left: float, right: float, labels: bool = True) -> None:
    """Draw the axis of percent change with the RECIST thresholds for response and, from the smallest sum, growth."""
    for value in range(int(y.low), int(y.high) + 1, 50):
        scene.line(left, y(value), right, y(value), stroke=RULE, width=0.8)
        if labels:
            said = f"{value:+d}%".replace("-", "−") if value else "0%"
            scene.text(left - 6, y(value) + 3.5, said, size=10, anchor="end", fill=MUTED)
    scene.line(left, y(0), right, y(0), stroke=MUTED, width=0.9)
    scene.line(left, y(-30), right, y(-30), stroke=MUTED, width=0.9, dash="4 3")


def tint(color: str, share: float) -> str:
    """Mix a color with white; unlike opacity, nothing behind shows through."""
    parts = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 + share * (part - 255)):02x}" for part in parts)
