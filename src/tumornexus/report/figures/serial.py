"""Measured sums of diameters over what the twin forecast before and after reading them."""

from __future__ import annotations

import numpy as np

from tumornexus.report import words
from tumornexus.report.figures.nodes import empty_scene
from tumornexus.report.rows import SerialCourse, View
from tumornexus.report.scene import Axis, Scene, nice_ticks
from tumornexus.report.style import INK, MUTED, NAVY, RULE


def _band(
    scene: Scene, x: Axis, y: Axis, day: np.ndarray, low: np.ndarray, high: np.ndarray, fill: str, opacity: float
) -> None:
    t = day / words.DAYS_PER_MONTH
    up = [(x(a), y(min(b, y.high))) for a, b in zip(t, high, strict=True)]
    down = [(x(a), y(b)) for a, b in zip(t[::-1], low[::-1], strict=True)]
    scene.poly(up + down, closed=True, fill=fill, opacity=opacity)


def serial_figure(view: View) -> Scene:
    """Readings as dots; gray: the 90 % band from the baseline alone; navy: 50 and 90 % bands after the last reading."""
    title, found = "Measured diameters and forecast", view.serial
    if found is None or not len(found.day):
        return empty_scene("fig-serial", title, "No diameter was measured after the start of treatment.", 760)
    scene = Scene(760, 300, "fig-serial", title, _said(found))
    last = max(float(found.before[0, -1]), float(found.forecast[0, -1])) / words.DAYS_PER_MONTH
    shown = found.before[1:6][:, found.before[0] <= found.forecast[0, -1]]
    top = 1.1 * min(max(float(found.mm.max()) * 2.0, float(found.forecast[5].max())), max(float(shown[4].max()), 1.0))
    top = max(top, 1.15 * float(found.mm.max()))
    x, y = Axis(0.0, last, 56, 740), Axis(0.0, top, 258, 18)
    for t in nice_ticks(0.0, top, 5):
        scene.line(x.start, y(t), x.stop, y(t), stroke=RULE, width=0.7)
        scene.text(x.start - 6, y(t) + 3.5, f"{t:g}", size=10, anchor="end", fill=MUTED)
    for m in range(0, int(last) + 1, 3 if last > 9 else 1):
        scene.line(x(m), y.start, x(m), y.start + 3, stroke=MUTED, width=0.8)
        scene.text(x(m), y.start + 15, str(m), size=10, anchor="middle", fill=MUTED)
    _band(scene, x, y, found.before[0], found.before[1], found.before[5], MUTED, 0.14)
    day = found.forecast[0]
    _band(scene, x, y, day, found.forecast[1], found.forecast[5], NAVY, 0.18)
    _band(scene, x, y, day, found.forecast[2], found.forecast[4], NAVY, 0.3)
    middle = [(x(a), y(b)) for a, b in zip(day / words.DAYS_PER_MONTH, found.forecast[3], strict=True)]
    scene.poly(middle, stroke=NAVY, width=2.0)
    for a, b in zip(found.day / words.DAYS_PER_MONTH, found.mm, strict=True):
        scene.circle(x(a), y(b), 4.0, fill=INK, tip=f"{b:.0f} mm at {a:.1f} months")
    scene.text(x.start + 4, y.stop + 8, "Sum of target diameters, mm", size=11, fill=MUTED, halo=True)
    scene.text(398, 292, "Months from start of treatment", size=11, anchor="middle", fill=MUTED)
    return scene


def _said(found: SerialCourse) -> str:
    end = found.forecast[:, -1]
    return (
        f"{len(found.day)} readings from {found.mm[0]:.0f} to {found.mm[-1]:.0f} mm; forecast at "
        f"{end[0] / words.DAYS_PER_MONTH:.0f} months {end[3]:.0f} mm, 90% {end[1]:.0f} to {end[5]:.0f}"
    )
